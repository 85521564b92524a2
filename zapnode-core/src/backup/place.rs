//! Which names may be in an archive, and which files of a profile go into one. Pure.

use std::path::{Component, Path, PathBuf};

use super::{CHECKSUMS, MANIFEST, PROFILES, STORE};
use crate::id::SessionId;

/// How deep a profile may be; Chrome's are about 7.
const DEEPEST: usize = 32;

/// What Chrome makes anew, and what belongs to one running Chrome.
const LEFT_OUT: &[&str] = &[
    "Cache",
    "Code Cache",
    "GPUCache",
    "ShaderCache",
    "GrShaderCache",
    "GraphiteDawnCache",
    "DawnGraphiteCache",
    "DawnWebGPUCache",
    "Crashpad",
    "Crash Reports",
    "BrowserMetrics",
    "DevToolsActivePort",
    "component_crx_cache",
    "extensions_crx_cache",
    "Safe Browsing",
    "optimization_guide_model_store",
    "OptimizationHints",
    "segmentation_platform",
    "lockfile",
];

/// Where something in an archive belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Manifest,
    Checksums,
    Store,
    Profile { session: SessionId, rest: PathBuf },
}

/// Reads a name in an archive. Absent for every name that we do not write: absolute ones, those
/// that lead out of the archive, those of files we do not know.
pub(super) fn place_of(name: &Path) -> Option<Place> {
    let mut parts = Vec::new();
    for component in name.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            _ => return None,
        }
    }
    // One spelling for each place: `a/./b` and `a//b` are somebody else's.
    if name.to_str()? != parts.join("/") {
        return None;
    }
    match parts.as_slice() {
        [one] if *one == MANIFEST => Some(Place::Manifest),
        [one] if *one == CHECKSUMS => Some(Place::Checksums),
        [one] if *one == STORE => Some(Place::Store),
        [profiles, session, rest @ ..] if *profiles == PROFILES => {
            if rest.is_empty() || rest.len() > DEEPEST {
                return None;
            }
            Some(Place::Profile {
                session: SessionId::new(session).ok()?,
                rest: rest.iter().collect(),
            })
        }
        _ => None,
    }
}

/// Whether a file or folder of a profile is left out, by its own name.
pub(super) fn is_left_out(name: &str) -> bool {
    LEFT_OUT.contains(&name)
        || name.starts_with("Singleton")
        || name.starts_with("BrowserMetrics-")
        || name.starts_with(".org.chromium.")
        || name.starts_with(".com.google.Chrome.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_have_no_place() {
        for bad in [
            "",
            "/zapnode.db",
            "../zapnode.db",
            "./zapnode.db",
            "zapnode.db/x",
            "zapnode.lock",
            "owner.json",
            "profiles",
            "profiles/shop",
            "profiles/../x",
            "profiles/shop/../../x",
            "profiles/shop/..",
            "profiles/no such id/Default/x",
            "profiles/./shop/x",
            "profiles//shop/x",
            "profiles/shop/x/",
            "/profiles/shop/x",
            "chrome/launch-chrome.sh",
        ] {
            assert_eq!(place_of(Path::new(bad)), None, "{bad:?}");
        }
        let deep = format!("profiles/shop/{}x", "d/".repeat(40));
        assert_eq!(place_of(Path::new(&deep)), None);
    }

    #[test]
    fn our_own_names_have_one() {
        assert_eq!(place_of(Path::new("manifest.json")), Some(Place::Manifest));
        assert_eq!(place_of(Path::new("zapnode.db")), Some(Place::Store));
        assert_eq!(
            place_of(Path::new(
                "profiles/shop-1/Default/Local Storage/leveldb/LOG"
            )),
            Some(Place::Profile {
                session: SessionId::new("shop-1").expect("an id"),
                rest: PathBuf::from("Default/Local Storage/leveldb/LOG"),
            })
        );
    }

    #[test]
    fn logins_stay_in_and_caches_stay_out() {
        for out in [
            "Cache",
            "Code Cache",
            "GPUCache",
            "SingletonLock",
            "Crashpad",
        ] {
            assert!(is_left_out(out), "{out}");
        }
        for kept in [
            "Default",
            "IndexedDB",
            "Local Storage",
            "Cookies",
            "Local State",
            "Service Worker",
            "CacheStorage",
            "https_web.whatsapp.com_0.indexeddb.leveldb",
        ] {
            assert!(!is_left_out(kept), "{kept}");
        }
    }
}
