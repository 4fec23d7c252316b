//! The pipelines of this repository do what they say.

use crate::common::{Project, Said};
use serde_json::json;
use snapbox::str;

fn compute_data() -> Project {
    let project = Project::empty();
    crate::common::copy(&crate::common::package("pipelines"), &project.path("pipelines"));
    project
}

#[test]
fn compute_data_multiplies_by_three_and_by_fifteen() {
    let project = compute_data();
    let json = project.run("run pipelines/compute_data.toml --output json").exits(0).json();
    assert_eq!(json["outputs"], json!({ "results": [126, 129, 132, 135] }));
    assert_eq!(json["state"], "succeeded");
    assert_eq!((&json["counts"]["succeeded"], &json["counts"]["cached"]), (&json!(9), &json!(0)));

    let fifteen = "run pipelines/compute_data.toml --output json -- --multiplier 15";
    let json = project.run(fifteen).exits(0).json();
    assert_eq!(json["outputs"]["results"], json!([630, 645, 660, 675]));
    assert_eq!((&json["counts"]["succeeded"], &json["counts"]["cached"]), (&json!(4), &json!(5)));

    let json = project.run(fifteen).exits(0).json();
    assert_eq!(json["outputs"]["results"], json!([630, 645, 660, 675]));
    assert_eq!((&json["counts"]["succeeded"], &json["counts"]["cached"]), (&json!(0), &json!(9)));
}

#[test]
fn compute_data_from_a_file_of_params() {
    let project = compute_data();
    project.write("params.toml", "multiplier = 15\n").write("params.json", "{\"multiplier\": 15}");
    for file in ["params.toml", "params.json"] {
        let json =
            project.run(&format!("run pipelines/compute_data.toml --output json --params {file}")).exits(0).json();
        assert_eq!(json["outputs"]["results"], json!([630, 645, 660, 675]));
    }
    let said = project.run("run pipelines/compute_data.toml -p multiplier=0");
    said.shows(str![[r#"
exit 2
--- err
error[E0504]: the param `multiplier` is `0`, less than its `min`, 1 (`-p multiplier=0`)
 |
 = help: it must be at least 1

"#]]);
}

#[test]
fn what_compute_data_says() {
    let project = compute_data();
    project.run("run -j 1 pipelines/compute_data.toml").shows(str![[r#"
exit 0
--- out
outputs
  results = [126, 129, 132, 135]
run 1 succeeded: 9 succeeded in [TIME]
--- err
[0/1] started   gen_data
[1/1] done      gen_data  [TIME]
[1/9] listed    process_data  4 items
[1/9] started   process_data[0].transform
[2/9] done      process_data[0].transform  [TIME]
[2/9] started   process_data[1].transform
[3/9] done      process_data[1].transform  [TIME]
[3/9] started   process_data[2].transform
[4/9] done      process_data[2].transform  [TIME]
[4/9] started   process_data[3].transform
[5/9] done      process_data[3].transform  [TIME]
[5/9] started   process_data[0].compute
[6/9] done      process_data[0].compute  [TIME]
[6/9] started   process_data[1].compute
[7/9] done      process_data[1].compute  [TIME]
[7/9] started   process_data[2].compute
[8/9] done      process_data[2].compute  [TIME]
[8/9] started   process_data[3].compute
[9/9] done      process_data[3].compute  [TIME]

"#]]);
    project.run("run -j 1 pipelines/compute_data.toml").shows(str![[r#"
exit 0
--- out
outputs
  results = [126, 129, 132, 135]
run 2 succeeded: 9 cached in [TIME]
--- err
[1/9] cached    gen_data
[1/9] listed    process_data  4 items
[9/9] cached    process_data.transform  4 instances
[9/9] cached    process_data.compute  4 instances

"#]]);
}

#[test]
fn every_pipeline_is_checked_and_drawn() {
    let project = compute_data();
    for pipeline in [
        "pipelines/compute_data.toml",
        "pipelines/sweep.toml",
        "pipelines/qc/pipeline.toml",
        "pipelines/qc/unit.toml",
        "pipelines/segmentation/pipeline.toml",
        "pipelines/variant_calling/pipeline.toml",
    ] {
        if pipeline.contains("variant") && !std::path::Path::new("/usr/share/doc/bowtie2/examples").exists() {
            continue;
        }
        project.run(&format!("check {pipeline}")).exits(0);
        for form in ["dot", "mermaid", "svg", "json"] {
            let said = project.run(&format!("graph {pipeline} --format {form}"));
            assert!(!said.exits(0).out.is_empty());
        }
    }
    project.run("graph pipelines/compute_data.toml --format json").shows(str![[r#"
exit 0
--- out
{"nodes": [{"name": "gen_data", "kind": "task"}, {"name": "process_data", "kind": "map"}, {"name": "process_data.transform", "kind": "task"}, {"name": "process_data.compute", "kind": "task"}], "edges": [["gen_data", "process_data"], ["process_data.transform", "process_data.compute"]]}

"#]]);
}

mod needs_bio {
    use super::*;

    #[test]
    #[ignore = "needs bwa, samtools, bcftools and the lambda genome"]
    fn variant_calling_finds_what_was_hidden() {
        let project = Project::copy_of("pipelines/variant_calling");
        let json = project.run("run --output json").exits(0).json();
        assert_eq!(json["outputs"]["names"], json!(["s11", "s12", "s13", "s14"]));
        assert_eq!(json["outputs"]["recall"], json!([1.0, 1.0, 1.0, 1.0]));
        let precision = json["outputs"]["precision"].as_array().unwrap();
        assert!(precision.len() == 4 && precision.iter().all(|x| x.as_f64().unwrap() >= 0.98), "{precision:?}");
        assert_eq!(json["counts"]["succeeded"], 23);
        assert_eq!(project.lines("results/report.tsv").len(), 5);
        assert!(project.read("results/calls.vcf").contains("\ngi|9626243|ref|NC_001416.1|\t"));

        let json = project.run("run --output json").exits(0).json();
        assert_eq!((&json["counts"]["succeeded"], &json["counts"]["cached"]), (&json!(0), &json!(23)));
    }

    #[test]
    #[ignore = "needs bwa, samtools, bcftools and the lambda genome"]
    fn one_character_of_a_script_names_exactly_who_runs_again() {
        let project = Project::copy_of("pipelines/variant_calling");
        project.run("run").exits(0);
        // a script that only the comparison uses, then one that everything after it depends on
        project.edit("scripts/compare.py", "NEIGHBOURHOOD = 30", "NEIGHBOURHOOD = 31");
        project.run("plan").shows(str![[r#"
exit 0
--- out
reference: cached
samples.simulate: cached 4
samples.align: cached 4
samples.sort: cached 4
samples.index_bam: cached 4
call: cached
score.compare: run 4
  file scripts/compare.py: [DIGEST] → [DIGEST]
report: unknown
  waits for `score`

run 4 · cached 18 · unknown 1

"#]]);
        let json = project.run("run --output json").exits(0).json();
        assert_eq!((&json["counts"]["succeeded"], &json["counts"]["cached"]), (&json!(4), &json!(19)));

        project.edit("scripts/align.sh", "-K 10000000", "-K 20000000");
        project.run("plan").shows(str![[r#"
exit 0
--- out
reference: cached
samples.simulate: cached 4
samples.align: run 4
  file scripts/align.sh: [DIGEST] → [DIGEST]
samples.sort: unknown 4
  waits for `samples.align`
samples.index_bam: unknown 4
  waits for `samples.sort`
call: unknown
  waits for `samples`
score: unknown
  waits for `samples`
report: unknown
  waits for `samples` and `score`

run 4 · cached 5 · unknown 11

"#]]);
        project.edit("scripts/align.sh", "-K 20000000", "-K 10000000");
        project.run("plan").shows(str![[r#"
exit 0
--- out
reference: cached
samples.simulate: cached 4
samples.align: cached 4
samples.sort: cached 4
samples.index_bam: cached 4
call: cached
score.compare: cached 4
report: cached

run 0 · cached 23 · unknown 0

"#]]);

        // one cell of the table of samples
        project.edit("samples.csv", "s14,14", "s14,15");
        project.run("plan").shows(str![[r#"
exit 0
--- out
reference: cached
samples.simulate: run 1 · cached 3
  samples[s14].simulate
    value sample.seed: "14" → "15"
samples.align: cached 3 · unknown 1
  samples[s14].align
    waits for `samples.simulate`
samples.sort: cached 3 · unknown 1
  samples[s14].sort
    waits for `samples.align`
samples.index_bam: cached 3 · unknown 1
  samples[s14].index_bam
    waits for `samples.sort`
call: unknown
  waits for `samples`
score: unknown
  waits for `samples`
report: unknown
  waits for `samples` and `score`

run 1 · cached 13 · unknown 6

"#]]);
    }
}

/// Debian's own Python and what it has, whatever stands before it on the path.
fn with_debians_python(project: &Project, line: &str) -> Said {
    project.said(project.command(line.split_whitespace()).env("PATH", "/usr/bin:/bin"))
}

mod needs_python {
    use super::*;

    #[test]
    #[ignore = "needs python3"]
    fn quality_control_drops_one_sample_and_says_why() {
        let project = Project::copy_of("pipelines/qc");
        let json = with_debians_python(&project, "run --output json").exits(0).json();
        assert_eq!(json["outputs"]["good"], json!(["liver", "heart"]));
        assert_eq!(json["outputs"]["dropped"], json!(["brain"]));
        assert_eq!((&json["counts"]["succeeded"], &json["counts"]["skipped"]), (&json!(11), &json!(6)));
        assert_eq!(project.lines("results/dropped.tsv"), ["sample\tkept\treads", "brain\t0.1923\tdropped"]);
        // The adapter of a unit is read by that unit alone, and the column of another unit is not.
        project.edit("units.csv", "reads/liver_2_1.fq,,", "reads/liver_2_1.fq,,CTGTCTCTTATACACATCT");
        with_debians_python(&project, "plan").shows(str![[r#"
exit 0
--- out
units.qc.layout.trim: run 1 · cached 1
  units[liver/2].qc.layout.trim
    value params.adapter: "AGATCGGAAGAGC" → "CTGTCTCTTATACACATCT"
units.qc.layout.trim_pairs: cached 3
samples: unknown
  waits for `units`
report: unknown
  waits for `samples`

run 1 · cached 4 · unknown 2

"#]]);
    }
}

mod needs_science {
    use super::*;

    #[test]
    #[ignore = "needs numpy, scikit-learn and matplotlib"]
    fn a_sweep_finds_the_best_pair() {
        let project = compute_data();
        let json = with_debians_python(&project, "run pipelines/sweep.toml --output json").exits(0).json();
        assert_eq!((&json["outputs"]["c"], &json["outputs"]["gamma"]), (&json!(10.0), &json!(0.001)));
        assert!(json["outputs"]["accuracy"].as_f64().unwrap() > 0.98);
        assert_eq!(json["counts"]["succeeded"], 21);
        assert_eq!(project.lines("pipelines/results/sweep/table.tsv").len(), 7);
        assert!(project.read("pipelines/results/sweep/accuracy.svg").contains("</svg>"));
        // A fourth value of C is three new fits; those that there are stay.
        let line = "run pipelines/sweep.toml --output json -p regularisations=[0.1,1.0,10.0,100.0] -p gammas=[0.001]";
        let json = with_debians_python(&project, line).exits(0).json();
        assert_eq!((&json["counts"]["succeeded"], &json["counts"]["cached"]), (&json!(5), &json!(10)));
    }

    #[test]
    #[ignore = "needs numpy, scikit-learn and matplotlib"]
    fn a_volume_is_fetched_and_segmented() {
        use std::io::{BufRead as _, BufReader};
        let project = Project::copy_of("pipelines/segmentation");
        let mut archive = std::process::Command::new("/usr/bin/python3")
            .arg(project.path("scripts/serve.py"))
            .args(["--port", "0"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(archive.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let line = format!("run --output json -p server={}", address.trim());
        let said = with_debians_python(&project, &line);
        let again = format!("{line} -p good_enough=0.95");
        archive.kill().unwrap();
        archive.wait().unwrap();
        let json = said.exits(0).json();
        assert_eq!(json["outputs"]["tiled_equals_whole"], true);
        assert_eq!(json["outputs"]["iterations"], 8);
        assert!(json["outputs"]["overlap"].as_f64().unwrap() > 0.95);
        assert!(std::fs::read(project.path("results/slice_12.png")).unwrap().starts_with(b"\x89PNG"));
        // With less to reach the loop ends earlier: nothing is trained or fetched, the archive is gone.
        let json = with_debians_python(&project, &again).exits(0).json();
        assert_eq!(json["outputs"]["iterations"], 6);
        assert_eq!(json["outputs"]["tiled_equals_whole"], true);
    }
}
