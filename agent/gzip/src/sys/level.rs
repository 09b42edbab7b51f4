//! What this processor can do, asked once.

use super::Cpu;
#[cfg(all(target_arch = "aarch64", not(feature = "safe")))]
use super::aarch64::Neon;
use super::portable::Portable;
#[cfg(all(target_arch = "x86_64", not(feature = "safe")))]
use super::x86::Avx2;

/// Something to do that asks the processor.
pub(crate) trait Work {
    type Output;

    fn on(self, cpu: impl Cpu) -> Self::Output;
}

#[derive(Clone, Copy)]
pub(crate) enum Level {
    Portable,
    #[cfg(all(target_arch = "x86_64", not(feature = "safe")))]
    Avx2(Avx2),
    #[cfg(all(target_arch = "aarch64", not(feature = "safe")))]
    Neon(Neon),
}

impl Level {
    /// The best there is.
    pub(crate) fn detect() -> Self {
        #[cfg(all(target_arch = "x86_64", not(feature = "safe")))]
        if let Some(cpu) = Avx2::detect() {
            return Self::Avx2(cpu);
        }
        #[cfg(all(target_arch = "aarch64", not(feature = "safe")))]
        if let Some(cpu) = Neon::detect() {
            return Self::Neon(cpu);
        }
        Self::Portable
    }

    /// Does the work in code that is compiled for this level.
    #[inline]
    pub(crate) fn run<W: Work>(self, work: W) -> W::Output {
        match self {
            Self::Portable => work.on(Portable),
            #[cfg(all(target_arch = "x86_64", not(feature = "safe")))]
            Self::Avx2(cpu) => cpu.run(work),
            #[cfg(all(target_arch = "aarch64", not(feature = "safe")))]
            Self::Neon(cpu) => cpu.run(work),
        }
    }
}
