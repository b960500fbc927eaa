"""For bench/run.sh remote: while the file that FETTLE_BENCH_NO_MEMORY names is there, the last rank's third pass is out of memory."""

import os
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder


class Patch(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "fettle_runner.objectives":
            return None
        spec = PathFinder.find_spec(name, path)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            sft, passes = module.sft, []

            def patched(*arguments):
                import torch

                passes.append(1)
                last = int(os.environ.get("WORLD_SIZE", "1")) - 1
                if len(passes) == 3 and int(os.environ.get("RANK", "0")) == last and os.path.exists(os.environ["FETTLE_BENCH_NO_MEMORY"]):
                    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has 1.00 GiB free.")
                return sft(*arguments)

            module.sft = patched

        spec.loader.exec_module = exec_module
        return spec


if "FETTLE_BENCH_NO_MEMORY" in os.environ:
    sys.meta_path.insert(0, Patch())
