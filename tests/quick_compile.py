"""How programs are compiled in tests."""

# Optimizations take longer than what they save in models as small as the tests', and XLA's newer emitters of fusions
# twice as long as its older ones.
QUICK_COMPILE = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
