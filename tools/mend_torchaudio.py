"""Set torchaudio's compiled extension aside where it cannot load beside a CPU build of torch.

The Linux wheels of torchaudio 2.11 carry an extension linked against CUDA. Without the file torchaudio goes on in pure
Python, which is all this project uses (mel filters, resampling, masks). A CUDA build of torch is left alone.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Try the import in a fresh process; mend only the one failure this is about."""
    attempt = subprocess.run([sys.executable, "-c", "import torchaudio"], capture_output=True, text=True, check=False)
    if attempt.returncode == 0:
        return
    if "Could not load this library" not in attempt.stderr and "libc10_cuda" not in attempt.stderr:
        sys.exit(f"torchaudio does not import:\n{attempt.stderr}")
    spec = importlib.util.find_spec("torchaudio")
    if spec is None or spec.origin is None:
        sys.exit("torchaudio is not installed")
    for library in sorted((Path(spec.origin).parent / "lib").glob("*.so")):
        library.rename(library.with_suffix(".so.cuda-only"))
        print(f"torchaudio: set {library.name} aside (it needs CUDA; torch here is a CPU build)")
    subprocess.run([sys.executable, "-c", "import torchaudio"], check=True)


if __name__ == "__main__":
    main()
