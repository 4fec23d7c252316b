//! Stories: the graph for other programs and for eyes.

use super::plan;
use crate::plan::graph;

const PIPELINE: &str = r#"
[task.list]
command = "true"
outputs.l = "list<string>"
[map.align]
over = "{{ list.l }}"
as = "sample"
[map.align.task.bwa]
command = "echo {{ sample }} {{ list.l }}"
outputs.n = "int"
[map.align.task.sort]
command = "echo {{ bwa.n }}"
outputs.n = "int"
[task.single]
over = "{{ align.sort.n }}"
command = "echo {{ item }}"
outputs.n = "int"
[task.end]
command = "echo {{ single.n }} {{ align.bwa.n }}"
[task.alone]
command = "true"
"#;

#[test]
fn as_json() {
    assert_eq!(
        graph::json(&plan(PIPELINE)),
        r#"{"nodes":[{"name":"list","kind":"task"},{"name":"align","kind":"map"},{"name":"align.bwa","kind":"task"},{"name":"align.sort","kind":"task"},{"name":"single","kind":"map"},{"name":"end","kind":"task"},{"name":"alone","kind":"task"}],"edges":[["list","align"],["list","align.bwa"],["align.bwa","align.sort"],["align","single"],["single","end"],["align","end"]]}"#
    );
}

#[test]
fn for_graphviz() {
    assert_eq!(
        graph::dot(&plan(PIPELINE)),
        r#"digraph {
  compound=true;
  node [shape=box, style=rounded];
  "list" [label="list"];
  subgraph "cluster align" {
    label="align, for each sample";
    "align.bwa" [label="bwa"];
    "align.sort" [label="sort"];
  }
  "single" [label="single, for each item"];
  "end" [label="end"];
  "alone" [label="alone"];
  "list" -> "align.bwa" [lhead="cluster align"];
  "list" -> "align.bwa";
  "align.bwa" -> "align.sort";
  "align.sort" -> "single" [ltail="cluster align"];
  "single" -> "end";
  "align.sort" -> "end" [ltail="cluster align"];
}
"#
    );
}

#[test]
fn for_mermaid() {
    assert_eq!(
        graph::mermaid(&plan(PIPELINE)),
        r#"flowchart TD
  n0["list"]
  subgraph n1["align, for each sample"]
    n2["bwa"]
    n3["sort"]
  end
  n4[["single, for each item"]]
  n6["end"]
  n7["alone"]
  n0 --> n1
  n0 --> n2
  n2 --> n3
  n1 --> n4
  n4 --> n6
  n1 --> n6
"#
    );
}

#[test]
fn as_a_picture() {
    assert_eq!(
        graph::svg(&plan(PIPELINE)),
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="209" height="508" viewBox="0 0 209 508" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="13">
<title>p</title>
<style>
.paper { fill: #ffffff }
.task { fill: #f8fafc; stroke: #475569 }
.map { fill: #3b82f6; fill-opacity: 0.07; stroke: #3b82f6 }
.many { fill: #ffffff; stroke: #3b82f6 }
.arrow { fill: none; stroke: #64748b; stroke-width: 1.3 }
.head { fill: #64748b }
.name { fill: #0f172a }
.each { fill: #1d4ed8; font-size: 11px }
</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerUnits="userSpaceOnUse" markerWidth="9" markerHeight="8" orient="auto"><path class="head" d="M0 0 8 4 0 8Z"/></marker></defs>
<rect class="paper" width="100%" height="100%"/>
<g><title>list</title><rect class="task" x="96.1" y="20.0" width="59.3" height="32.0" rx="6"/><text class="name" x="125.7" y="40.5" text-anchor="middle">list</text></g>
<g><title>align</title><rect class="map" x="62.1" y="90.0" width="127.3" height="166.0" rx="6"/><text class="name" x="125.7" y="109.0" text-anchor="middle">align</text><text class="each" x="125.7" y="124.0" text-anchor="middle">for each sample</text></g>
<g><title>align.bwa</title><rect class="task" x="100.0" y="136.0" width="51.5" height="32.0" rx="6"/><text class="name" x="125.7" y="156.5" text-anchor="middle">bwa</text></g>
<g><title>align.sort</title><rect class="task" x="96.1" y="206.0" width="59.3" height="32.0" rx="6"/><text class="name" x="125.7" y="226.5" text-anchor="middle">sort</text></g>
<path class="arrow" marker-end="url(#head)" d="M125.7 168.0C125.7 187.0 125.7 187.0 125.7 206.0"/>
<g><title>single</title><rect class="many" x="24.0" y="302.1" width="114.1" height="46.0" rx="6"/><rect class="many" x="20.0" y="298.1" width="114.1" height="46.0" rx="6"/><text class="name" x="77.0" y="317.1" text-anchor="middle">single</text><text class="each" x="77.0" y="332.1" text-anchor="middle">for each item</text></g>
<g><title>end</title><rect class="task" x="100.0" y="386.1" width="51.5" height="32.0" rx="6"/><text class="name" x="125.7" y="406.6" text-anchor="middle">end</text></g>
<g><title>alone</title><rect class="task" x="20.0" y="456.1" width="67.1" height="32.0" rx="6"/><text class="name" x="53.6" y="476.6" text-anchor="middle">alone</text></g>
<path class="arrow" marker-end="url(#head)" d="M125.7 52.0C125.7 71.0 125.7 71.0 125.7 90.0"/>
<path class="arrow" marker-end="url(#head)" d="M118.7 256.0C118.7 277.0 77.0 277.0 77.0 298.1"/>
<path class="arrow" marker-end="url(#head)" d="M77.0 344.1C77.0 365.1 118.7 365.1 118.7 386.1"/>
<path class="arrow" marker-end="url(#head)" d="M132.7 256.0C132.7 277.0 150.1 277.0 150.1 298.1L150.1 344.1C150.1 365.1 132.7 365.1 132.7 386.1"/>
</svg>
"#
    );
}
