#include "cpu.h"

#include <initializer_list>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace fettle {

#if defined(__x86_64__)
namespace {
// One leaf of CPUID. Asked for by ourselves: __builtin_cpu_supports answers false to everything where the compiler's run-time
// library does not fill its table, as with zig. Bits: Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E.
struct Leaf {
  unsigned a = 0, b = 0, c = 0, d = 0;
  Leaf(unsigned leaf, unsigned part) { __get_cpuid_count(leaf, part, &a, &b, &c, &d); }
};

constexpr bool has(unsigned bits, std::initializer_list<int> wanted) {
  for (const int bit : wanted)
    if (!(bits >> bit & 1)) return false;
  return true;
}

// Which registers the system saves when it changes threads (XCR0). To be read where CPUID says that it may be.
unsigned savedRegisters() {
  unsigned low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

// macOS saves the registers of AVX-512 from their first use on, and says so nowhere but here.
bool systemSavesAvx512(unsigned saved) {
#if defined(__APPLE__)
  int isThere = 0;
  size_t size = sizeof isThere;
  if (sysctlbyname("hw.optional.avx512f", &isThere, &size, nullptr, 0) == 0 && isThere) return true;
#endif
  return has(saved, {1, 2, 5, 6, 7});
}

// Linux gives a process the 8 KB of tile registers only when it asks (Documentation/arch/x86/xstate.rst).
[[maybe_unused]] bool mayUseTiles() {
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

// What the kernels of each table are compiled for (scripts/instruction-sets.mjs), as far as processor and system have it.
struct InstructionSets {
  bool avx2 = false, avx512 = false, bf16 = false, amx = false;
  InstructionSets() {
    const Leaf first(1, 0), extended(7, 0), more(7, 1);
    if (!has(first.c, {27})) return;  // OSXSAVE: XGETBV may be asked
    const unsigned saved = savedRegisters();
    // FMA, AVX, F16C; BMI, AVX2, BMI2.
    avx2 = has(first.c, {12, 28, 29}) && has(extended.b, {3, 5, 8}) && has(saved, {1, 2});
    // F, DQ, CD, BW, VL.
    avx512 = avx2 && has(extended.b, {16, 17, 28, 30, 31}) && systemSavesAvx512(saved);
    // AVX512_VNNI, AVX512_BF16.
    bf16 = avx512 && has(extended.c, {11}) && has(more.a, {5});
#ifdef FETTLE_AVX512_EMULATED
    avx512 = bf16 = avx2;
#endif
#if FETTLE_AMX_EMULATED
    amx = bf16;
#elif FETTLE_WITH_amx
    // AMX-BF16, AMX-TILE.
    amx = bf16 && has(extended.d, {22, 24}) && mayUseTiles();
#endif
  }
};
}  // namespace
#elif defined(__aarch64__)
namespace {
// FEAT_BF16 and FEAT_I8MM: optional from ARMv8.2 on, both in every ARMv8.6 (Neoverse V1 and N2, Apple's M2).
[[maybe_unused]] bool hasArmBf16() {
#if defined(__linux__)
  constexpr unsigned long kI8mm = 1ul << 13, kBf16 = 1ul << 14;  // HWCAP2_I8MM and HWCAP2_BF16, which old headers lack
  const unsigned long capabilities = getauxval(AT_HWCAP2);
  return (capabilities & kI8mm) && (capabilities & kBf16);
#elif defined(__APPLE__)
  const auto has = [](const char* name) {
    int isThere = 0;
    size_t size = sizeof isThere;
    return sysctlbyname(name, &isThere, &size, nullptr, 0) == 0 && isThere;
  };
  return has("hw.optional.arm.FEAT_BF16") && has("hw.optional.arm.FEAT_I8MM");
#else
  return false;
#endif
}
}  // namespace
#endif

std::vector<const Kernels*> availableKernels() {
  std::vector<const Kernels*> found;
  // A table is asked for only where it runs: filling it takes the instructions that its kernels are compiled for.
  [[maybe_unused]] const auto add = [&](bool runs, const Kernels* (*kernels)()) {
    if (runs) found.push_back(kernels());
  };
#if defined(__x86_64__)
  [[maybe_unused]] static const InstructionSets here;
#if FETTLE_WITH_amx
  add(here.amx, kernelsAmx);
#endif
#if FETTLE_WITH_avx512bf16
  add(here.bf16, kernelsAvx512bf16);
#endif
#if FETTLE_WITH_avx512
  add(here.avx512, kernelsAvx512);
#endif
#if FETTLE_WITH_avx2
  add(here.avx2, kernelsAvx2);
#endif
#endif
#if FETTLE_WITH_neonbf16
  add(hasArmBf16(), kernelsNeonbf16);
#endif
#if FETTLE_WITH_neon
  add(true, kernelsNeon);
#endif
#if FETTLE_WITH_portable
  add(true, kernelsPortable);
#endif
  return found;
}

std::vector<const char*> builtInstructionSets() {
  return {
#if FETTLE_WITH_amx
      "amx",
#endif
#if FETTLE_WITH_avx512bf16
      "avx512bf16",
#endif
#if FETTLE_WITH_avx512
      "avx512",
#endif
#if FETTLE_WITH_avx2
      "avx2",
#endif
#if FETTLE_WITH_neonbf16
      "neonbf16",
#endif
#if FETTLE_WITH_neon
      "neon",
#endif
#if FETTLE_WITH_portable
      "portable",
#endif
  };
}

}  // namespace fettle
