//! What a process holds of the kernel's programs and maps, and how another spoils them.

use std::fs;

use aya::maps::{HashMap, Map, MapData, MapInfo, loaded_maps};
use aya::programs::loaded_programs;
use sluice_ebpf::map;

use crate::common::Agent;

/// By their numbers in the kernel.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    pub(crate) programs: Vec<u32>,
    pub(crate) maps: Vec<u32>,
}

/// Of a process that runs.
pub(crate) fn objects(pid: u32) -> Objects {
    let mut found = Objects::default();
    let entries = fs::read_dir(format!("/proc/{pid}/fdinfo")).expect("the agent runs");
    for entry in entries.flatten() {
        let Ok(text) = fs::read_to_string(entry.path()) else { continue };
        for line in text.lines() {
            let number = |key: &str| line.strip_prefix(key)?.trim().parse::<u32>().ok();
            // The descriptor of a link names its program too.
            found.programs.extend(number("prog_id:"));
            found.maps.extend(number("map_id:"));
        }
    }
    found
}

/// Whether the kernel still has any of them.
pub(crate) fn is_loaded(objects: &Objects) -> bool {
    let has_program = loaded_programs().flatten().any(|it| objects.programs.contains(&it.id()));
    let has_map = loaded_maps().flatten().any(|it| objects.maps.contains(&it.id()));
    has_program || has_map
}

/// The map of followed inodes of a running agent, as an administrator's tool can open it.
pub(crate) struct Followed(HashMap<MapData, [u64; 2], u32>);

impl Followed {
    pub(crate) fn of(agent: &Agent) -> Self {
        let is_followed = |id: &u32| {
            MapInfo::from_id(*id).is_ok_and(|info| info.name_as_str() == Some(map::FOLLOWED))
        };
        let id = objects(agent.pid()).maps.into_iter().find(is_followed);
        let data = MapData::from_id(id.expect("it follows")).expect("root may open it");
        Self(Map::HashMap(data).try_into().expect("it is as the agent made it"))
    }

    /// Takes every inode out: programs find nothing any more. Gives how many there were.
    pub(crate) fn clear(mut self) -> usize {
        let keys: Vec<[u64; 2]> = self.0.keys().flatten().collect();
        keys.iter().filter(|key| self.0.remove(key).is_ok()).count()
    }

    /// Puts inodes that do not exist into all room that is left. Gives how many.
    pub(crate) fn fill(mut self) -> usize {
        (0..u64::from(u32::MAX))
            .take_while(|inode| self.0.insert([u64::MAX, *inode], 0, 0).is_ok())
            .count()
    }
}
