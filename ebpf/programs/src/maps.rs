use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    macros::map,
    maps::{Array, HashMap, RingBuf},
};
use sluice_ebpf::{CONTROL_ENTRIES, EDGES_BYTES, InodeKey, SLOTS_MAX, Slot};

#[map]
pub static FOLLOWED: HashMap<InodeKey, u32> = HashMap::with_max_entries(SLOTS_MAX, 0);

#[map]
pub static SLOTS: Array<Slot> = Array::with_max_entries(SLOTS_MAX, BPF_F_MMAPABLE);

#[map]
pub static CONTROL: Array<u64> = Array::with_max_entries(CONTROL_ENTRIES, BPF_F_MMAPABLE);

#[map]
pub static EDGES: RingBuf = RingBuf::with_byte_size(EDGES_BYTES, 0);
