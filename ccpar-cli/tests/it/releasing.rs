//! What a release packs is what `cargo binstall` asks for.

#[test]
fn binstall_asks_for_the_archives_that_a_release_has() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let (manifest, workflow) =
        (read("ccpar-cli/Cargo.toml"), read(".github/workflows/release.yml"));

    let targets: Vec<&str> = workflow
        .lines()
        .filter_map(|line| line.split_once("{ target: ")?.1.split(',').next())
        .collect();
    assert!(targets.len() >= 5, "{targets:?}");
    let sections: Vec<&str> = manifest.split("\n[").collect();
    let field = |section: &str, name: &str| {
        let section = sections.iter().find(|text| text.starts_with(&format!("{section}]")))?;
        let start = format!("{name} = \"");
        let line = section.lines().find_map(|line| line.strip_prefix(&*start))?;
        Some(line.trim_end_matches('"').to_owned())
    };
    let all = "package.metadata.binstall";
    for target in targets {
        let own = format!("{all}.overrides.{target}");
        let of = |name: &str| field(&own, name).or_else(|| field(all, name)).unwrap();
        let (format, suffix) =
            if target.contains("windows") { ("zip", "zip") } else { ("tgz", "tar.gz") };
        assert_eq!(of("pkg-fmt"), format, "{target}");
        let url =
            format!("{{ repo }}/releases/download/v{{ version }}/ccpar-{{ target }}.{suffix}");
        assert_eq!(of("pkg-url"), url, "{target}");
        assert_eq!(of("bin-dir"), "ccpar-{ target }/{ bin }{ binary-ext }", "{target}");
        assert!(workflow.contains(&format!("archive=$name.{suffix}")), "{target}");
    }
    // The folder in each archive, and the tag that it hangs on.
    assert!(workflow.contains("name=ccpar-$TARGET\n"));
    assert!(workflow.contains("\"$GITHUB_REF_NAME\" = \"v$version\""));
}
