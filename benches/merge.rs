//! Merging, against the merges that others can call.

use std::fmt::Write as _;
use std::hint::black_box;

use ccpar_core::merge::Merge;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Base, ours and theirs of one merge.
struct Case {
    name: &'static str,
    base: String,
    ours: String,
    theirs: String,
}

fn index(lines: usize, changed: impl Fn(usize) -> bool, by: &str) -> String {
    let mut text = String::new();
    for line in 0..lines {
        let by = if changed(line) { by } else { "" };
        let _ = writeln!(text, "- [entry {line}](entry-{line}.md): what is known of it {by}");
    }
    text
}

fn cases() -> Vec<Case> {
    let small = index(200, |_| false, "");
    let add = |text: &str, after: usize, entry: &str| {
        let mut lines: Vec<&str> = text.lines().collect();
        lines.insert(after, entry);
        lines.join("\n") + "\n"
    };
    // Every 20th line is 5 %; the sides differ in which.
    let edited = |name, lines| Case {
        name,
        base: index(lines, |_| false, ""),
        ours: index(lines, |line| line % 20 == 3, "ours"),
        theirs: index(lines, |line| line % 20 == 13, "theirs"),
    };
    vec![
        Case {
            name: "index of 200 lines, one added per side",
            ours: add(&small, 50, "- [ours](ours.md)"),
            theirs: add(&small, 150, "- [theirs](theirs.md)"),
            base: small,
        },
        edited("2,000 lines, 5 % changed per side", 2_000),
        edited("20,000 lines, 5 % changed per side", 20_000),
        Case {
            name: "100,000 equal lines",
            base: "same\n".repeat(100_000),
            ours: "same\n".repeat(100_000) + "ours\n",
            theirs: "theirs\n".to_owned() + &"same\n".repeat(100_000),
        },
        Case {
            name: "20,000 lines rewritten",
            base: index(20_000, |_| true, "base"),
            ours: index(20_000, |_| true, "ours"),
            theirs: index(20_000, |line| line == 5, "base"),
        },
    ]
}

fn merge(c: &mut Criterion) {
    for case in cases() {
        let Case { name, base, ours, theirs } = &case;
        let mut group = c.benchmark_group(format!("merge {name}"));
        group.throughput(Throughput::Bytes((base.len() + ours.len() + theirs.len()) as u64));
        group.sample_size(20);
        group.bench_function("ccpar", |b| {
            b.iter(|| {
                let merge = Merge::new(base.as_bytes(), ours.as_bytes(), theirs.as_bytes());
                black_box(merge.keep_theirs())
            });
        });
        group.bench_function("similar", |b| {
            b.iter(|| {
                let mut config = similar::TextMergeConfig::new();
                config.algorithm(similar::Algorithm::Patience);
                black_box(config.merge_lines(&**base, &**ours, &**theirs).to_string())
            });
        });
        group.bench_function("gix-merge", |b| b.iter(|| gix(base, ours, theirs)));
        group.bench_function("diffy", |b| {
            b.iter(|| black_box(diffy::merge(base, ours, theirs)));
        });
        // merge3 is quadratic where nothing is equal, or all is.
        if !name.contains("rewritten") && !name.contains("equal") {
            group.bench_function("merge3", |b| b.iter(|| merge3(base, ours, theirs)));
        }
        group.finish();
    }
}

#[expect(clippy::default_trait_access, reason = "gix-merge does not export the type")]
fn gix(base: &str, ours: &str, theirs: &str) -> Vec<u8> {
    use gix_merge::blob::builtin_driver;
    use gix_merge::blob::builtin_driver::text::{Labels, Options};
    let mut out = Vec::new();
    builtin_driver::text(
        &mut out,
        &mut Default::default(),
        Labels::default(),
        ours.as_bytes(),
        base.as_bytes(),
        theirs.as_bytes(),
        Options::default(),
    );
    out
}

fn merge3(base: &str, ours: &str, theirs: &str) -> Vec<u8> {
    let [base, ours, theirs]: [Vec<&str>; 3] =
        [base, ours, theirs].map(|text| text.split_inclusive('\n').collect());
    let merge = merge3::Merge3::new(&base, &ours, &theirs);
    merge.merge_lines(false, &merge3::StandardMarkers::default()).concat().into_bytes()
}

criterion_group!(benches, merge);
criterion_main!(benches);
