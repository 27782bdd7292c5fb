//! Public behaviour, on real files and with real processes.
