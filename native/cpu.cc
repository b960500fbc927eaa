#include "cpu.h"

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
// Linux gives a process the 8 KB of tile registers only when it asks (Documentation/arch/x86/xstate.rst).
bool mayUseTiles() {
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

[[maybe_unused]] bool hasAmxBf16() {
#if FETTLE_AMX_EMULATED
  return true;
#endif
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  constexpr unsigned kAmxBf16 = 1u << 22, kAmxTile = 1u << 24;
  return (d & kAmxBf16) && (d & kAmxTile) && mayUseTiles();
}
}  // namespace
#elif defined(__aarch64__)
namespace {
// FEAT_BF16: optional from ARMv8.2 on, in every ARMv8.6 (Neoverse V1 and N2, Apple's M2).
[[maybe_unused]] bool hasArmBf16() {
#if defined(__linux__)
  constexpr unsigned long kBf16 = 1ul << 14;  // HWCAP2_BF16, which old headers lack
  return getauxval(AT_HWCAP2) & kBf16;
#elif defined(__APPLE__)
  int has = 0;
  size_t size = sizeof has;
  return sysctlbyname("hw.optional.arm.FEAT_BF16", &has, &size, nullptr, 0) == 0 && has;
#else
  return false;
#endif
}
}  // namespace
#endif

std::vector<const Kernels*> availableKernels() {
  std::vector<const Kernels*> found;
  [[maybe_unused]] const auto add = [&](bool runs, const Kernels* kernels) {
    if (runs) found.push_back(kernels);
  };
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  [[maybe_unused]] const bool bf16 = avx512 && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni");
#if FETTLE_WITH_amx
  add(bf16 && hasAmxBf16(), kernelsAmx());
#endif
#if FETTLE_WITH_avx512bf16
  add(bf16, kernelsAvx512bf16());
#endif
#if FETTLE_WITH_avx512
  add(avx512, kernelsAvx512());
#endif
#if FETTLE_WITH_avx2
  add(avx2, kernelsAvx2());
#endif
#endif
#if FETTLE_WITH_neonbf16
  add(hasArmBf16(), kernelsNeonbf16());
#endif
#if FETTLE_WITH_neon
  add(true, kernelsNeon());
#endif
#if FETTLE_WITH_portable
  add(true, kernelsPortable());
#endif
  return found;
}

}  // namespace fettle
