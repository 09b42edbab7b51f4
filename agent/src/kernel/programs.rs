//! The object in the kernel: which of its programs are attached, and why the others are not.

use std::collections::{HashMap, HashSet};

use aya::programs::{FExit, KProbe, Program, ProgramError, RawTracePoint};
use aya::{Btf, Ebpf, EbpfLoader};
use sluice_ebpf::map;

use super::layout::Layout;
use super::refusal::{self, Refusal};
use super::table::{Feature, Hook, Part, Variant, WAYS, Way};
use super::{KernelError, Settings};

#[cfg(target_arch = "x86_64")]
static OBJECT: &[u8] = include_bytes!("../../../ebpf/prebuilt/sluice-x86_64.o");
#[cfg(target_arch = "aarch64")]
static OBJECT: &[u8] = include_bytes!("../../../ebpf/prebuilt/sluice-aarch64.o");
// Arguments of functions are in other registers on each architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
static OBJECT: &[u8] = &[];

/// What became of a feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub feature: Feature,
    /// `None` if no variant could be had.
    pub taken: Option<Variant>,
    /// The better variants, or all, each with its reason.
    pub refused: Vec<Refusal>,
    /// What the variant that was taken does not cover here, each with its reason.
    pub uncovered: Vec<String>,
}

/// Programs leave the kernel with this value: nothing is pinned.
pub(super) struct Programs {
    object: Ebpf,
    layout: Layout,
    highest: Variant,
    /// By program and place; one tracepoint may serve two file systems.
    attached: HashMap<Key, Link>,
}

/// A program and where it is attached.
type Key = (&'static str, &'static str);

/// Of a program that can be attached more than once.
#[derive(Debug)]
enum Link {
    Fexit,
    Kprobe(aya::programs::kprobe::KProbeLinkId),
    Tracepoint(aya::programs::raw_trace_point::RawTracePointLinkId),
}

impl Programs {
    /// Makes the maps; nothing is attached yet.
    pub(super) fn load(settings: &Settings, layout: Layout) -> Result<Self, KernelError> {
        if OBJECT.is_empty() {
            return Err(KernelError::Architecture { name: std::env::consts::ARCH });
        }
        let mut loader = EbpfLoader::new();
        // Offsets come from us; without this the loader would relocate by BTF of its own.
        loader.btf(None);
        loader.override_global(map::OFFSETS, &layout.offsets[..], true);
        loader.map_max_entries(map::SLOTS, settings.slots_max);
        loader.map_max_entries(map::FOLLOWED, settings.slots_max);
        loader.map_max_entries(map::EDGES, settings.edges_bytes);
        let object = loader
            .load(OBJECT)
            .map_err(|error| KernelError::Refused { reason: refusal::of_object(&error) })?;
        Ok(Self { object, layout, highest: settings.highest, attached: HashMap::new() })
    }

    /// Maps stay in it, but for those that are taken and kept: programs that are loaded later refer
    /// to their descriptors.
    pub(super) fn object(&mut self) -> &mut Ebpf {
        &mut self.object
    }

    /// Tries the variants of `feature`, the best first. `prove` is asked of each that could be
    /// attached; a reason of its refuses the variant.
    pub(super) fn climb(
        &mut self,
        feature: Feature,
        btf: Option<&Btf>,
        mut prove: impl FnMut(Variant) -> Result<(), String>,
    ) -> Verdict {
        let mut refused = Vec::new();
        let highest = self.highest;
        for way in WAYS.iter().filter(|way| way.feature == feature && way.variant >= highest) {
            let variant = way.variant;
            // What is attached for another feature stays when this one fails.
            let before: HashSet<_> = self.attached.keys().copied().collect();
            let tried =
                self.attach_way(way, btf).and_then(|uncovered| prove(variant).map(|()| uncovered));
            match tried {
                Ok(uncovered) => {
                    return Verdict { feature, taken: Some(variant), refused, uncovered };
                }
                Err(reason) => {
                    self.detach_all_but(&before);
                    refused.push(Refusal { variant, reason });
                }
            }
        }
        Verdict { feature, taken: None, refused, uncovered: Vec::new() }
    }

    /// The kernel's count of instructions that its verifier went through, for each program that is
    /// loaded; `None` before Linux 5.16.
    pub(super) fn verified(&self) -> Vec<(String, Option<u32>)> {
        let programs = self.object.programs();
        let mut verified: Vec<_> = programs
            .filter_map(|(name, program)| {
                Some((name.to_owned(), program.info().ok()?.verified_instruction_count()))
            })
            .collect();
        verified.sort();
        verified
    }

    fn attach_way(&mut self, way: &Way, btf: Option<&Btf>) -> Result<Vec<String>, String> {
        let mut uncovered = Vec::new();
        for Part { covers, required, choices } in way.parts {
            let mut reasons = Vec::new();
            let taken = choices.iter().any(|hook| match self.attach(way.variant, hook, btf) {
                Ok(()) => true,
                Err(reason) => {
                    reasons.push(reason);
                    false
                }
            });
            let reason = reasons.join("; ");
            match (taken, required) {
                (true, _) => {}
                (false, true) => return Err(reason),
                (false, false) => uncovered.push(format!("{covers} ({reason})")),
            }
        }
        if uncovered.len() == way.parts.len() {
            return Err(uncovered.join("; "));
        }
        Ok(uncovered)
    }

    fn attach(&mut self, variant: Variant, hook: &Hook, btf: Option<&Btf>) -> Result<(), String> {
        let key: Key = (hook.program, hook.place);
        if self.attached.contains_key(&key) {
            return Ok(());
        }
        let place = hook.place;
        if let Some(missing) = self.layout.missing(hook.needs) {
            return Err(format!("{place}: this kernel's BTF has no {missing}"));
        }
        if variant == Variant::Fexit && !self.layout.has_function(place) {
            return Err(format!("{place}: not among the functions in this kernel's BTF"));
        }
        if self.layout.is_foreign(place) {
            return Err(format!("{place}: its arguments are others in this kernel"));
        }
        let link = self
            .link(variant, hook, btf)
            .map_err(|error| refusal::of_hook(variant, hook, &error))?;
        self.attached.insert(key, link);
        Ok(())
    }

    fn link(
        &mut self,
        variant: Variant,
        hook: &Hook,
        btf: Option<&Btf>,
    ) -> Result<Link, ProgramError> {
        let missing = || ProgramError::InvalidName { name: hook.program.to_owned() };
        let program = self.object.program_mut(hook.program).ok_or_else(missing)?;
        match variant {
            Variant::Fexit => {
                let program: &mut FExit = program.try_into()?;
                load(|| program.load(hook.place, btf.ok_or_else(missing)?))?;
                program.attach().map(|_| Link::Fexit)
            }
            Variant::Kprobe => {
                let program: &mut KProbe = program.try_into()?;
                load(|| program.load())?;
                program.attach(hook.place, 0).map(Link::Kprobe)
            }
            Variant::Tracepoint => {
                let program: &mut RawTracePoint = program.try_into()?;
                load(|| program.load())?;
                program.attach(hook.place).map(Link::Tracepoint)
            }
        }
    }

    fn detach_all_but(&mut self, stay: &HashSet<Key>) {
        let gone: Vec<Key> =
            self.attached.keys().filter(|key| !stay.contains(*key)).copied().collect();
        for key in gone {
            let Some(link) = self.attached.remove(&key) else { continue };
            let Some(program) = self.object.program_mut(key.0) else { continue };
            // It can only fail if it is gone already.
            let _ = match (link, program) {
                (Link::Fexit, Program::FExit(program)) => program.unload(),
                (Link::Kprobe(id), Program::KProbe(program)) => program.detach(id),
                (Link::Tracepoint(id), Program::RawTracePoint(program)) => program.detach(id),
                _ => Ok(()),
            };
        }
    }
}

/// A program is loaded once, and attached to each of its places.
fn load(load: impl FnOnce() -> Result<(), ProgramError>) -> Result<(), ProgramError> {
    match load() {
        Err(ProgramError::AlreadyLoaded) => Ok(()),
        result => result,
    }
}
