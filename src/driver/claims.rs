//! Which instance of a run makes which path, so that no two make one, and none makes what lies in a directory that
//! another makes as a whole or what another's pattern matches.

use crate::base::pattern::{beginning, split};
use crate::base::{Digest, InstanceId};
use crate::driver::scene::refused;
use crate::event::Failure;
use crate::plan::{NodeKind, OutputKind, Plan, may_meet};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A path, by its digest: a million of them are held.
type Short = [u8; 8];

/// What the instances of a run make.
#[derive(Default)]
pub struct Claims {
    paths: FxHashMap<Short, (InstanceId, bool)>,
    /// The folders in which something is made; `None` where no task makes a directory as a whole.
    above: Option<FxHashMap<Short, InstanceId>>,
    /// Everything by the text before its first wild card; `None` where no task makes files by a pattern.
    areas: Option<BTreeMap<Vec<u8>, Vec<Area>>>,
    lengths: BTreeSet<usize>,
}

struct Area {
    instance: InstanceId,
    text: Vec<u8>,
    pattern: bool,
}

/// An output that is no value.
pub struct Claim<'a> {
    /// Its name.
    pub name: &'a str,
    /// A file, a directory or a pattern.
    pub kind: &'a OutputKind,
    /// The path or the pattern.
    pub path: &'a [u8],
}

impl Claims {
    /// No claims yet.
    pub fn of(plan: &Plan) -> Self {
        let any = |wanted: fn(&OutputKind) -> bool| {
            plan.nodes.iter().any(|(_, node)| match &node.kind {
                NodeKind::Task(task) => task.outputs.iter().any(|output| wanted(&output.kind)),
                _ => false,
            })
        };
        Self {
            above: any(|kind| matches!(kind, OutputKind::Dir(_))).then(FxHashMap::default),
            areas: any(|kind| matches!(kind, OutputKind::Files(_))).then(BTreeMap::new),
            ..Self::default()
        }
    }

    /// Claims a path for an instance.
    ///
    /// # Errors
    /// When another one has it.
    pub fn claim(&mut self, project: &Path, instance: InstanceId, claim: &Claim<'_>) -> Result<(), Failure> {
        let (name, shown) = (claim.name, String::from_utf8_lossy(claim.path));
        let dir = matches!(claim.kind, OutputKind::Dir(_));
        let pattern = matches!(claim.kind, OutputKind::Files(_));
        // `./x` and `a//x` are written in other ways, and the same.
        let full = |path: &[u8]| -> PathBuf { project.join(OsStr::from_bytes(path)).components().collect() };
        let (own, folder) = match pattern {
            true => (None, full(&split(claim.path).folder)),
            false => {
                let own = full(claim.path);
                (Some(short(&own)), own.parent().unwrap_or(Path::new("/")).to_path_buf())
            }
        };
        if let Some(own) = own {
            let (before, _) = *self.paths.entry(own).or_insert((instance, dir));
            if before != instance {
                let message =
                    format!("the output `{name}` has the path `{shown}`, which another instance gives as well");
                let help = "name the item in the path: `{{ key }}`, `{{ index }}` or something of the item";
                return Err(refused(message, Some(help.into())));
            }
        }
        if let Some(above) = &mut self.above {
            for folder in folder.ancestors() {
                let short = short(folder);
                if let Some((_, true)) = self.paths.get(&short) {
                    let folder = folder.strip_prefix(project).unwrap_or(folder).to_string_lossy();
                    let message = format!(
                        "the output `{name}` has the path `{shown}`, which lies in the directory `{folder}` that \
                         another output makes as a whole"
                    );
                    return Err(refused(message, Some("give it a path elsewhere".into())));
                }
                above.insert(short, instance);
            }
            if dir && own.is_some_and(|own| above.contains_key(&own)) {
                let message = format!(
                    "the output `{name}` makes the directory `{shown}` as a whole, and another output lies in it"
                );
                return Err(refused(message, Some("give one of them a path elsewhere".into())));
            }
        }
        if self.areas.is_some() {
            self.area(project, instance, claim, pattern)?;
        }
        Ok(())
    }

    /// Whether a pattern meets what others make, or a path the pattern of another.
    fn area(&mut self, project: &Path, instance: InstanceId, claim: &Claim<'_>, pattern: bool) -> Result<(), Failure> {
        let Some(areas) = &mut self.areas else { return Ok(()) };
        let path: PathBuf = Path::new(OsStr::from_bytes(claim.path)).components().collect();
        let text = path.strip_prefix(project).unwrap_or(&path).as_os_str().as_bytes().to_vec();
        let begin = if pattern { beginning(&text) } else { text.clone() };
        let longer = areas.range(begin.clone()..).take_while(|(other, _)| other.starts_with(&begin));
        let shorter = self.lengths.range(..begin.len()).filter_map(|length| areas.get_key_value(&begin[..*length]));
        let meets = |other: &&Area| {
            (pattern || other.pattern)
                && (other.instance != instance || other.text != text)
                && may_meet((&text, pattern), (&other.text, other.pattern))
        };
        if let Some(other) = longer.chain(shorter).flat_map(|(_, areas)| areas).find(meets) {
            let (name, shown, other) = (claim.name, String::from_utf8_lossy(claim.path), &other.text);
            let message = format!(
                "the output `{name}` has the path `{shown}`, and `{}` is another output: one file could be both",
                String::from_utf8_lossy(other)
            );
            let help = "give each a folder of its own, or names that cannot be mistaken for each other";
            return Err(refused(message, Some(help.into())));
        }
        self.lengths.insert(begin.len());
        areas.entry(begin).or_default().push(Area { instance, text, pattern });
        Ok(())
    }
}

fn short(path: &Path) -> Short {
    let mut short = Short::default();
    short.copy_from_slice(&Digest::of(path.as_os_str().as_bytes()).0[..8]);
    short
}
