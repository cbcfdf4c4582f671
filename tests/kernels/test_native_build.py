"""The native kernels under the sanitizers, and what the package's build makes with a compiler and without."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import recurra
from recurra.kernels.native import loader

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
NATIVE = Path(recurra.__file__).parent / "kernels" / "native"
COMPILER = shutil.which(os.environ.get("CXX", "g++"))
AVX512 = ["-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx512bw", "-mavx2", "-mfma"]
FLAGS = {
    "avx512bf16": [*AVX512, "-mavx512bf16"],
    "avx512": AVX512,
    "avx2": ["-mavx2", "-mfma"],
    "plain": [],
}
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C++ compiler here")


@needs_compiler
@pytest.mark.parametrize("sanitizer", ["address,undefined", "thread"])
@pytest.mark.parametrize("variant", loader.VARIANTS)
def test_sanitizers_find_nothing(tmp_path, variant, sanitizer):
    library = loader.library()
    if library is None or loader.VARIANTS.index(variant) < loader.VARIANTS.index(library.variant):
        pytest.skip(f"{variant} was not built or does not run on this processor")
    sources = [Path(__file__).parent / "native_driver.cpp", *sorted(NATIVE.glob("*.cpp"))]
    options = ["-std=c++17", "-O1", "-g", f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all", *FLAGS[variant]]
    program = tmp_path / "driver"
    command = [COMPILER, *options, f"-I{NATIVE}", *map(str, sources), "-o", str(program), "-pthread"]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    done = subprocess.run([program], capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0 cases differ\n", "")


@pytest.fixture
def source(tmp_path):
    """The project's files that a wheel is made of."""
    if not (ROOT / "setup.py").exists():
        pytest.skip("the tests do not stand beside the source of the package")
    for name in ("setup.py", "pyproject.toml", "LICENSE", "README.md"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes() if (ROOT / name).exists() else b"")
    ignored = shutil.ignore_patterns("*.so", "__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=ignored)
    return tmp_path


def wheel(source: Path, **environment: str) -> tuple[set[str], str]:
    """Names of the files in the package's wheel, and what its build printed."""
    pytest.importorskip("setuptools", minversion="77")
    code = "from setuptools import build_meta; build_meta.build_wheel('wheels')"
    (source / "wheels").mkdir()
    env = {**os.environ, **environment}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=source, env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    (made,) = (source / "wheels").iterdir()
    with zipfile.ZipFile(made) as archive:
        return set(archive.namelist()), done.stdout + done.stderr


@needs_compiler
def test_wheel_holds_the_libraries_and_their_source(source):
    names, _ = wheel(source)
    made = {name for name in names if name.endswith(".so")}
    assert "recurra/kernels/native/plain.so" in made
    assert made <= {f"recurra/kernels/native/{variant}.so" for variant in loader.VARIANTS}
    assert {"recurra/kernels/native/recurrence.cpp", "recurra/kernels/native/vectors.h"} <= names


def test_without_a_compiler_the_build_succeeds_and_says_so_once(source):
    names, printed = wheel(source, CC="/nonexistent/cc", CXX="/nonexistent/c++")
    assert not [name for name in names if name.endswith(".so")]
    assert "recurra/kernels/packed.py" in names
    assert printed.count("installed without its native kernels") == 1
