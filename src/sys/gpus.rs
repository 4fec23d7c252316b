//! The GPUs that may be handed out, by the names that `CUDA_VISIBLE_DEVICES` takes.

use std::ffi::OsStr;
use std::sync::Arc;

/// Those of an inherited `CUDA_VISIBLE_DEVICES` (set and empty: none), else one for each `/dev/nvidia<N>`.
pub fn gpus() -> Vec<Arc<str>> {
    match std::env::var_os("CUDA_VISIBLE_DEVICES") {
        Some(list) => inherited(&list),
        None => devices(),
    }
}

/// CUDA takes what stands before the first entry that is no device.
fn inherited(list: &OsStr) -> Vec<Arc<str>> {
    let list = list.to_string_lossy();
    let names = list.split(',').map(str::trim).take_while(|n| !n.is_empty() && *n != "-1" && *n != "NoDevFiles");
    names.map(Arc::from).collect()
}

fn devices() -> Vec<Arc<str>> {
    let Ok(folder) = std::fs::read_dir("/dev") else { return Vec::new() };
    let number = |name: &OsStr| name.to_str()?.strip_prefix("nvidia")?.parse::<u32>().ok();
    let mut numbers: Vec<u32> = folder.flatten().filter_map(|e| number(&e.file_name())).collect();
    numbers.sort_unstable();
    numbers.into_iter().map(|n| n.to_string().into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inherited_list_is_respected() {
        let shown = |text: &str| inherited(OsStr::new(text)).join(" ");
        assert_eq!(shown("2,3"), "2 3");
        assert_eq!(shown("GPU-8932f937, MIG-7"), "GPU-8932f937 MIG-7");
        assert_eq!(shown(""), "");
        assert_eq!(shown("-1"), "");
        assert_eq!(shown("0,-1,2"), "0");
    }
}
