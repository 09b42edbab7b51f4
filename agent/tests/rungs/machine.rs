//! Goes through a program of the prebuilt object one instruction after the other, in a kernel that
//! is made up, and counts them.

use std::collections::{HashMap, HashSet};

use aya_obj::Object;
use aya_obj::generated::bpf_insn;
use aya_obj::maps::Map;
use sluice_ebpf::{OFFSETS, map};

static OBJECT: &[u8] = include_bytes!("../../../ebpf/prebuilt/sluice-x86_64.o");

/// What the programs call a map by: its place here, instead of a descriptor.
const MAPS: [&str; 4] = [map::FOLLOWED, map::SLOTS, map::CONTROL, map::EDGES];
const FOLLOWED: u64 = 0;
const SLOTS: u64 = 1;
const CONTROL: u64 = 2;

/// Where things lie, far from each other.
const CONTEXT: u64 = 0x1_0000_0000;
const KERNEL: u64 = 0x2_0000_0000;
const STACK: u64 = 0x3_0000_0000;
const CONSTANTS: u64 = 0x4_0000_0000;
const VALUE: u64 = 0x5_0000_0000;
const SLOT: u64 = 0x6_0000_0000;
const CELLS: u64 = 0x7_0000_0000;
const RECORD: u64 = 0x8_0000_0000;

const STACK_BYTES: u64 = 512;

/// What the kernel's clock says.
const TIME: u64 = 4_711;

/// A program that executes more has a loop.
const EXECUTED_MAX: u64 = 1_000;

/// All programs of the object, as they are loaded into one kernel.
pub(crate) struct Programs {
    programs: HashMap<String, Vec<bpf_insn>>,
    constants: Vec<u8>,
}

/// What a program did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    /// Instructions, each call of a helper as one.
    pub(crate) executed: u64,
    pub(crate) helpers: u64,
    pub(crate) stored: bool,
    pub(crate) woke: bool,
}

/// In which world a program runs.
pub(crate) struct World {
    pub(crate) context: Vec<u8>,
    /// At [`World::at`].
    pub(crate) structures: Vec<u8>,
    pub(crate) followed: Option<[u64; 2]>,
    pub(crate) agent_sleeps: bool,
}

impl World {
    /// The address of a byte of the structures.
    pub(crate) fn at(offset: u64) -> u64 {
        KERNEL + offset
    }
}

impl Programs {
    /// Where members lie at these offsets.
    pub(crate) fn load(offsets: &[u32; OFFSETS]) -> Self {
        let mut object = Object::parse(OBJECT).unwrap();
        let bytes: Vec<u8> = offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect();
        object.patch_map_data([(map::OFFSETS, (&bytes[..], true))].into()).unwrap();
        let maps: Vec<(String, Map)> = object.maps.drain().collect();
        let named = maps.iter().map(|(name, map)| {
            let place = MAPS.iter().position(|known| known == name).unwrap_or(MAPS.len());
            (name.as_str(), place as i32, map)
        });
        let text: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
        object.relocate_maps(named, &text).unwrap();
        let (_, constants) = maps.iter().find(|(name, _)| name.contains("rodata")).unwrap();
        let code = |key| object.functions[&key].instructions.clone();
        let programs = &object.programs;
        Self {
            constants: constants.data().to_vec(),
            programs: programs
                .iter()
                .map(|(name, program)| (name.clone(), code(program.function_key())))
                .collect(),
        }
    }

    pub(crate) fn run(&self, program: &str, world: World) -> Done {
        let World { context, structures, followed, agent_sleeps } = world;
        let mut cells = vec![0; 8 * sluice_ebpf::CONTROL_ENTRIES as usize];
        cells[0] = u8::from(agent_sleeps);
        let regions = vec![
            (CONTEXT, context),
            (KERNEL, structures),
            (STACK, vec![0; STACK_BYTES as usize]),
            (CONSTANTS, self.constants.clone()),
            (VALUE, vec![0; 4]),
            (SLOT, vec![0; 8]),
            (CELLS, cells),
            (RECORD, vec![0; 64]),
        ];
        let mut registers = [0; 11];
        registers[1] = CONTEXT;
        registers[10] = STACK + STACK_BYTES;
        let mut run = Run { regions, registers, followed, executed: 0, helpers: 0, woke: false };
        run.execute(&self.programs[program]);
        let stored = run.read(SLOT, 8) == TIME;
        Done { executed: run.executed, helpers: run.helpers, stored, woke: run.woke }
    }
}

struct Run {
    regions: Vec<(u64, Vec<u8>)>,
    registers: [u64; 11],
    followed: Option<[u64; 2]>,
    executed: u64,
    helpers: u64,
    woke: bool,
}

impl Run {
    fn bytes(&mut self, address: u64, length: usize) -> &mut [u8] {
        let found = self.regions.iter_mut().find_map(|(base, bytes)| {
            let from = address.checked_sub(*base)? as usize;
            bytes.get_mut(from..from + length)
        });
        found.unwrap_or_else(|| panic!("nothing lies at {address:#x}"))
    }

    fn read(&mut self, address: u64, length: usize) -> u64 {
        let mut word = [0; 8];
        word[..length].copy_from_slice(self.bytes(address, length));
        u64::from_le_bytes(word)
    }

    fn write(&mut self, address: u64, length: usize, value: u64) {
        self.bytes(address, length).copy_from_slice(&value.to_le_bytes()[..length]);
    }

    /// By the classes and operations of the kernel's `bpf.h` and `bpf_common.h`.
    fn execute(&mut self, code: &[bpf_insn]) {
        let mut at = 0_usize;
        loop {
            let next = code[at];
            self.executed += 1;
            assert!(self.executed <= EXECUTED_MAX, "a loop");
            at += 1;
            let (to, from) = (next.dst_reg() as usize, next.src_reg() as usize);
            let immediate = i64::from(next.imm) as u64;
            let length = [4, 2, 1, 8][usize::from(next.code >> 3 & 3)];
            let displaced = |base: u64| base.wrapping_add_signed(i64::from(next.off));
            let operand = if next.code & 0x08 == 0 { immediate } else { self.registers[from] };
            match next.code & 0x07 {
                0x00 => {
                    assert_eq!(next.code, 0x18, "a load of two words");
                    let high = u64::from(code[at].imm as u32);
                    at += 1;
                    self.registers[to] = match from {
                        0 => high << 32 | u64::from(next.imm as u32),
                        // BPF_PSEUDO_MAP_FD
                        1 => immediate,
                        // BPF_PSEUDO_MAP_VALUE: only constants are reached so.
                        2 => CONSTANTS + high,
                        other => panic!("an address of kind {other}"),
                    };
                }
                0x01 => {
                    assert_eq!(next.code & 0xe0, 0x60, "a load without a sign");
                    self.registers[to] = self.read(displaced(self.registers[from]), length);
                }
                0x02 => self.write(displaced(self.registers[to]), length, immediate),
                0x03 => {
                    assert_eq!(next.code & 0xe0, 0x60, "a store that is not atomic");
                    self.write(displaced(self.registers[to]), length, self.registers[from]);
                }
                0x07 => self.registers[to] = computed(next.code, self.registers[to], operand),
                0x04 => {
                    let (one, other) = (self.registers[to] as u32, operand as u32);
                    let wide = match next.code & 0xf0 {
                        0xc0 => (one as i32 >> (other & 31)) as u32,
                        operation => computed(operation, one.into(), other.into()) as u32,
                    };
                    self.registers[to] = wide.into();
                }
                0x05 if next.code == 0x85 => self.help(next.imm),
                0x05 if next.code == 0x95 => return,
                class => {
                    let is_narrow = class == 0x06;
                    let one = self.registers[to];
                    let (one, other) = if is_narrow {
                        (u64::from(one as u32), u64::from(operand as u32))
                    } else {
                        (one, operand)
                    };
                    let signed = |word: u64| {
                        if is_narrow { i64::from(word as u32 as i32) } else { word as i64 }
                    };
                    if jumps(next.code & 0xf0, one, other, signed(one), signed(other)) {
                        at = at.wrapping_add_signed(isize::from(next.off));
                    }
                }
            }
        }
    }

    /// By the numbers of `bpf.h`.
    fn help(&mut self, which: i32) {
        self.helpers += 1;
        let [_, one, two, three, ..] = self.registers;
        self.registers[0] = match which {
            // map_lookup_elem
            1 if one == FOLLOWED => {
                let key = [self.read(two, 8), self.read(two + 8, 8)];
                if self.followed == Some(key) { VALUE } else { 0 }
            }
            1 if one == SLOTS => SLOT + 8 * self.read(two, 4),
            1 if one == CONTROL => CELLS + 8 * self.read(two, 4),
            // ktime_get_ns
            5 => TIME,
            // probe_read_kernel
            113 => {
                let bytes = self.bytes(three, two as usize).to_vec();
                self.bytes(one, two as usize).copy_from_slice(&bytes);
                0
            }
            // ringbuf_reserve
            131 => RECORD,
            // ringbuf_submit
            132 => {
                self.woke = true;
                0
            }
            other => panic!("helper {other}"),
        };
    }
}

fn computed(code: u8, one: u64, other: u64) -> u64 {
    match code & 0xf0 {
        0x00 => one.wrapping_add(other),
        0x10 => one.wrapping_sub(other),
        0x20 => one.wrapping_mul(other),
        0x40 => one | other,
        0x50 => one & other,
        0x60 => one.wrapping_shl(other as u32),
        0x70 => one.wrapping_shr(other as u32),
        0xa0 => one ^ other,
        0xb0 => other,
        0xc0 => (one as i64).wrapping_shr(other as u32) as u64,
        operation => panic!("operation {operation:#x}"),
    }
}

fn jumps(operation: u8, one: u64, other: u64, signed: i64, other_signed: i64) -> bool {
    match operation {
        0x00 => true,
        0x10 => one == other,
        0x20 => one > other,
        0x30 => one >= other,
        0x40 => one & other != 0,
        0x50 => one != other,
        0x60 => signed > other_signed,
        0x70 => signed >= other_signed,
        0xa0 => one < other,
        0xb0 => one <= other,
        0xc0 => signed < other_signed,
        0xd0 => signed <= other_signed,
        operation => panic!("jump {operation:#x}"),
    }
}
