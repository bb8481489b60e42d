"""How programs are compiled in tests."""

import jax

# Optimizations take longer than what they save in models as small as the tests', and XLA's newer emitters of fusions
# twice as long as its older ones. A version that had dropped those would end at once: later ones go without the flag.
OLDER_EMITTERS = "--xla_cpu_use_fusion_emitters=false"
QUICK_COMPILE = "--xla_backend_optimization_level=0"
if jax.__version_info__ < (0, 11):
    QUICK_COMPILE = f"{QUICK_COMPILE} {OLDER_EMITTERS}"
