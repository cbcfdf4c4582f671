"""Builds the native kernels, one library for each instruction set; where there is no compiler recurra does without."""

from __future__ import annotations

import platform
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

NATIVE = Path("src/recurra/kernels/native")
FLAGS = ["-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden", "-g0", "-Wall", "-Wextra"]
AVX512 = ["-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx512bw", "-mavx2", "-mfma"]
X86 = {
    "avx512bf16": [*AVX512, "-mavx512bf16"],
    "avx512": AVX512,
    "avx2": ["-mavx2", "-mfma"],
}
VARIANTS = {"plain": [], **(X86 if platform.machine().lower() in ("x86_64", "amd64") else {})}


class BuildNative(build_ext):
    """Libraries with a C interface: no Python in them, so no Python version in their names."""

    def run(self) -> None:
        """Build what can be built, and say once if nothing could."""
        super().run()
        if not any(Path(output).exists() for output in self.get_outputs()):
            self.warn("no C++ compiler that works: recurra is installed without its native kernels, and runs slower")

    def get_ext_filename(self, fullname: str) -> str:
        """Where a library lies in the package."""
        return str(Path(*fullname.split("."))) + ".so"

    def build_extension(self, ext: Extension) -> None:
        """Compile and link one library."""
        shared = self.build_temp
        self.build_temp = str(Path(shared) / ext.name)  # the variants' objects have the same names
        try:
            super().build_extension(ext)
        finally:  # a compiler that does not know a variant's instructions may well know the next one's
            self.build_temp = shared

    def get_export_symbols(self, ext: Extension) -> list[str]:
        """None beside those that the source marks."""
        return []


setup(
    ext_modules=[
        Extension(
            f"recurra.kernels.native.{variant}",
            [str(NATIVE / name) for name in ("recurrence.cpp", "multiply.cpp", "stream.cpp")],
            depends=[str(header) for header in NATIVE.glob("*.h")],
            extra_compile_args=FLAGS + flags,
            language="c++",
            optional=True,
        )
        for variant, flags in VARIANTS.items()
    ],
    cmdclass={"build_ext": BuildNative},
)
