"""The roofline over the kernels of an optimized program, against counts by hand."""

import jax
import jax.numpy as jnp
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.targets.hardware import HARDWARE, REACHED, REACHED_IN_KERNELS, parse_target
from jaxspeech.targets.hlo import parse
from jaxspeech.targets.overlap import overlapped
from jaxspeech.targets.roofline import estimate

H200 = HARDWARE["h200"]

# A loop of 18 runs: a kernel reads one of 18 stacked layers, cuBLAS multiplies, and a kernel stores one row.
SUMMED = '{"lhs_contracting_dimensions":["1"],"rhs_contracting_dimensions":["0"]}'
LOOP = """HloModule test

%fused_slice (p0: bf16[18,64,512], p1: s32[]) -> bf16[64,512] {
  %p0 = bf16[18,64,512]{2,1,0} parameter(0)
  %b = bf16[18,64,512]{2,1,0} bitcast(%p0)
  %p1 = s32[] parameter(1)
  %z = s32[] constant(0)
  %s = bf16[1,64,512]{2,1,0} dynamic-slice(%b, %p1, %z, %z), dynamic_slice_sizes={1,64,512}
  ROOT %r = bf16[64,512]{1,0} bitcast(%s)
}

%fused_update (p0: f32[18,64], p1: f32[64], p2: s32[]) -> f32[18,64] {
  %p0 = f32[18,64]{1,0} parameter(0)
  %p1 = f32[64]{0} parameter(1)
  %b = f32[1,64]{1,0} bitcast(%p1)
  %p2 = s32[] parameter(2)
  %z = s32[] constant(0)
  ROOT %u = f32[18,64]{1,0} dynamic-update-slice(%p0, %b, %p2, %z)
}

%body (t: (s32[], bf16[18,64,512], bf16[512,2048], f32[18,64], f32[64])) -> (s32[]) {
  %t = (s32[], bf16[18,64,512]{2,1,0}, bf16[512,2048]{1,0}, f32[18,64]{1,0}, f32[64]{0}) parameter(0)
  %i = s32[] get-tuple-element(%t), index=0
  %x = bf16[18,64,512]{2,1,0} get-tuple-element(%t), index=1
  %w = bf16[512,2048]{1,0} get-tuple-element(%t), index=2
  %o = f32[18,64]{1,0} get-tuple-element(%t), index=3
  %v = f32[64]{0} get-tuple-element(%t), index=4
  %layer = bf16[64,512]{1,0} fusion(%x, %i), kind=kLoop, calls=%fused_slice
  %y = (bf16[64,2048]{1,0}, s8[33554432]{0}) custom-call(%layer, %w), custom_call_target="__cublas$lt$matmul", DIMS
  %n = f32[18,64]{1,0} fusion(%o, %v, %i), kind=kLoop, calls=%fused_update
  ROOT %out = (s32[]) tuple(%i)
}

%condition (t: (s32[])) -> pred[] {
  %t = (s32[]) parameter(0)
  ROOT %c = pred[] constant(true)
}

ENTRY %main (a: f32[4096,1024]) -> f32[4096,1024] {
  %a = f32[4096,1024]{1,0} parameter(0)
  %start = (s32[]) tuple()
  %w = (s32[]) while(%start), condition=%condition, body=%body, backend_config={"known_trip_count":{"n":"18"}}
  %g = f32[4096,1024]{1,0} all-reduce(%a), replica_groups=[1,8]<=[8], to_apply=%add
  ROOT %c = f32[4096,1024]{0,1} copy(%g)
}
""".replace("DIMS", f'backend_config={{"gemm_backend_config":{{"dot_dimension_numbers":{SUMMED}}}}}')


def by_name(found):
    return {kernel.name: kernel for kernel in found.kernels}


def test_a_loop_counts_as_often_as_it_runs_and_slices_count_alone():
    kernels = by_name(estimate(parse(LOOP), H200))
    assert set(kernels) == {"layer", "y", "n", "g", "c"}
    assert kernels["layer"].times == 18 and kernels["layer"].bytes == 2 * (64 * 512 * 2) + 4
    assert kernels["y"].flops == 2 * 64 * 512 * 2048
    assert kernels["y"].bytes == 2 * (64 * 512 + 512 * 2048 + 64 * 2048)  # without the workspace
    # An update in place writes a row and reads it (and the index), not the whole array.
    scattered = LOOP.replace("dynamic-update-slice(%p0, %b, %p2, %z)", "scatter(%p0, %p2, %b), to_apply=%add")
    for text in (LOOP, scattered):
        assert by_name(estimate(parse(text), H200))["n"].bytes == 64 * 4 + 64 * 4 + 4


def test_a_copy_to_the_chip_reads_what_it_copies():
    text = """HloModule test

ENTRY %main (a: f32[64,256]) -> f32[16,256] {
  %a = f32[64,256]{1,0} parameter(0)
  %in = ((f32[64,256]{1,0}), f32[16,256]{1,0:S(1)}, s32[]{:S(2)}) slice-start(%a), slice={[0:16], [0:256]}
  %on = f32[16,256]{1,0:S(1)} slice-done(%in)
  %back = (f32[16,256]{1,0:S(1)}, f32[16,256]{1,0}, u32[]{:S(2)}) copy-start(%on)
  %off = f32[16,256]{1,0} copy-done(%back)
  ROOT %far = (f32[16,256]{1,0}, f32[16,256]{1,0}, u32[]{:S(2)}) copy-start(%off)
}
"""
    moved = {name: kernel.bytes for name, kernel in by_name(estimate(parse(text), HARDWARE["v5e"])).items()}
    size = 16 * 256 * 4
    assert moved == {"in": size, "back": size, "far": 2 * size}


def test_times_are_those_of_the_tightest_bound():
    found = estimate(parse(LOOP), H200)
    kernels = by_name(found)
    assert kernels["layer"].seconds == H200.launch
    assert kernels["c"].seconds == pytest.approx(2 * 16 * 2**20 / H200.bandwidth)
    # A ring of eight: each device sends 7/8 of the array twice.
    assert kernels["g"].bytes == pytest.approx(2 * 16 * 2**20 * 7 / 8) == found.sent
    assert found.communication == pytest.approx(found.sent / H200.link)
    assert found.seconds == pytest.approx(sum(k.times * k.seconds for k in found.kernels))


@pytest.mark.parametrize("groups", ["{{0,1,2,3,4,5,6,7}}", "mesh['axis_0'=1,'axis_1'=8] {'axis_1'}"])
def test_groups_of_devices_in_every_spelling(groups):
    found = estimate(parse(LOOP.replace("[1,8]<=[8]", groups)), H200)
    assert found.sent == estimate(parse(LOOP), H200).sent > 0


def test_a_loop_of_unknown_length_runs_as_often_as_said():
    text = LOOP.replace(', backend_config={"known_trip_count":{"n":"18"}}', "")
    assert by_name(estimate(parse(text), H200, trips=5))["y"].times == 5
    test = "%n = s32[] constant(7)\n  ROOT %c = pred[] compare(%t, %n), direction=LT"
    counted = text.replace("ROOT %c = pred[] constant(true)", test)
    assert by_name(estimate(parse(counted), H200))["y"].times == 7


def test_loops_within_loops_of_unknown_length_have_a_number_of_their_own():
    inner = """%inner (t: (f32[64])) -> (f32[64]) {
  %t = (f32[64]{0}) parameter(0)
  %v = f32[64]{0} get-tuple-element(%t), index=0
  %deep = f32[64]{0} negate(%v)
  ROOT %out = (f32[64]{0}) tuple(%deep)
}

%more (t: (f32[64])) -> pred[] {
  %t = (f32[64]{0}) parameter(0)
  ROOT %c = pred[] constant(true)
}

"""
    within = "%in = (f32[64]{0}) tuple(%v)\n  %l = (f32[64]{0}) while(%in), condition=%more, body=%inner\n  %layer ="
    text = LOOP.replace(', backend_config={"known_trip_count":{"n":"18"}}', "").replace("%layer =", within, 1)
    text = text.replace("%body (", f"{inner}%body (", 1)
    for trips, times in ((5, 25), ((5, 2), 10), ((5, 2, 7), 10)):
        kernels = by_name(estimate(parse(text), H200, trips=trips))
        assert (kernels["y"].times, kernels["deep"].times) == (5, times)


def test_the_condition_of_a_counted_loop_is_not_computed():
    test = "%n = s32[] constant(7)\n  %m = s32[] negate(%n)\n  ROOT %c = pred[] compare(%t, %m), direction=EQ"
    text = LOOP.replace("ROOT %c = pred[] constant(true)", test)
    assert "m" not in by_name(estimate(parse(text), H200))
    found = estimate(parse(text.replace(', backend_config={"known_trip_count":{"n":"18"}}', "")), H200, trips=5)
    assert by_name(found)["m"].times == 5 and found.open_loops == 1


# Eight devices sum 64 MiB while they multiply, and 4 bytes more, which end before anything is computed.
BESIDE = """HloModule test, is_scheduled=true

ENTRY %main (a: f32[4096,4096], s: f32[]) -> f32[4096,4096] {
  %a = f32[4096,4096]{1,0} parameter(0)
  %s = f32[] parameter(1)
  %short = f32[] all-reduce-start(%s), replica_groups=[1,8]<=[8], to_apply=%add
  %short_done = f32[] all-reduce-done(%short)
  %long = f32[4096,4096]{1,0} all-reduce-start(%a), replica_groups=[1,8]<=[8], to_apply=%add
  %y = f32[4096,4096]{1,0} dot(%a, %a), lhs_contracting_dims={1}, rhs_contracting_dims={0}
  %long_done = f32[4096,4096]{1,0} all-reduce-done(%long)
  ROOT %z = f32[4096,4096]{1,0} dot(%y, %long_done), lhs_contracting_dims={1}, rhs_contracting_dims={0}
}
"""


def test_communication_beside_a_product():
    product = 2 * 4096**3 / (H200.single_flops * REACHED)
    communication = 2 * 64 * 2**20 * 7 / 8 / H200.link
    assert overlapped(parse(BESIDE), H200) == pytest.approx(min(product, communication))
    slow = H200._replace(link=H200.link / 1000)
    assert overlapped(parse(BESIDE), slow) == pytest.approx(product)
    assert overlapped(parse(LOOP), H200) == 0


def test_products_of_a_real_program_are_counted():
    """As XLA compiles it for this machine: seven products in a scan, and one outside."""

    def function(x, layers, last):
        x, _ = jax.lax.scan(lambda x, w: (jnp.tanh(x @ w), None), x, layers)
        return x @ last

    shapes = (64, 128), (7, 128, 128), (128, 256)
    arrays = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    found = estimate(parse(jax.jit(function).lower(*arrays).compile().as_text()), H200)
    assert found.flops == 7 * 2 * 64 * 128 * 128 + 2 * 64 * 128 * 256


def test_a_convolution_counts_its_window_and_the_inputs_of_its_group():
    text = """HloModule test

ENTRY %main (x: bf16[8,100,64], k: bf16[9,1,64]) -> bf16[8,92,64] {
  %x = bf16[8,100,64]{2,1,0} parameter(0)
  %k = bf16[9,1,64]{2,1,0} parameter(1)
  ROOT %y = bf16[8,92,64]{2,1,0} convolution(%x, %k), window={size=9}, dim_labels=b0f_0io->b0f, feature_group_count=64
}
"""
    [kernel] = estimate(parse(text), H200).kernels
    assert kernel.flops == 2 * 8 * 92 * 64 * 9
    product = 2 * 8 * 92 * 64 * 9 / (H200.matrix_flops * REACHED)
    assert kernel.seconds == max(product, kernel.bytes / H200.bandwidth, H200.launch)


@pytest.mark.parametrize(
    ("call", "result", "operands"),
    [
        ("convForward", "f32[32,280,384]", ("f32[32,559,1536]", "f32[384,3,1536]")),
        ("convBackwardInput", "f32[32,559,1536]", ("f32[32,280,384]", "f32[384,3,1536]")),
        ("convBackwardFilter", "f32[384,3,1536]", ("f32[32,559,1536]", "f32[32,280,384]")),
    ],
)
def test_gradients_of_a_convolution_have_as_many_products_as_the_convolution(call, result, operands):
    """As a GPU's compiler writes them: a call of cuDNN, whose second result is its workspace."""
    first, second = operands
    said = f'window={{size=3 stride=2 pad=1_1}}, dim_labels=b0f_o0i->b0f, custom_call_target="__cudnn${call}"'
    text = f"""HloModule test

ENTRY %main (x: {first}, k: {second}) -> ({result}, u8[0]) {{
  %x = {first}{{2,1,0}} parameter(0)
  %k = {second}{{2,1,0}} parameter(1)
  ROOT %y = ({result}{{2,1,0}}, u8[0]{{0}}) custom-call(%x, %k), {said}
}}
"""
    [kernel] = estimate(parse(text), H200).kernels
    assert kernel.flops == 2 * 32 * 280 * 384 * 3 * 1536


def test_a_kernel_of_ours_counts_the_operations_that_it_states():
    text = """HloModule test

ENTRY %main (x: bf16[64,256,512]) -> bf16[64,256,512] {
  %x = bf16[64,256,512]{2,1,0} parameter(0)
  ROOT %y = bf16[64,256,512]{2,1,0} custom-call(%x), custom_call_target="__gpu$xla.gpu.triton", backend_config={SAID}
}
"""
    said = r'serialized_metadata = "{\22flops\22: \22FLOPS\22, \22operations\22: \22OPERATIONS\22}"'

    def kernel(flops, operations):
        numbers = said.replace("FLOPS", str(flops)).replace("OPERATIONS", str(operations))
        return estimate(parse(text.replace("SAID", numbers)), H200).kernels[0]

    assert kernel(10**12, 1).flops == 10**12
    assert kernel(10**12, 1).seconds == pytest.approx(10**12 / (H200.matrix_flops * REACHED_IN_KERNELS))
    assert kernel(1, 10**12).seconds == pytest.approx(10**12 / H200.vector_flops)
    assert kernel(1, 1).seconds == pytest.approx(2 * 16 * 2**20 / H200.bandwidth)


@pytest.mark.parametrize(
    ("name", "platform", "topology"),
    [
        ("h200", "cuda", "1x1x1"),
        ("h100x8", "cuda", "1x1x8"),
        ("v5e", "tpu", "v5e:2x2"),
        ("v5p:4x4x4", "tpu", "v5p:4x4x4"),
    ],
)
def test_names_of_targets(name, platform, topology):
    hardware, found = parse_target(name)
    assert (hardware.platform, found) == (platform, topology)


@pytest.mark.parametrize(
    ("name", "said"), [("h300", "h300"), ("v5e:", ""), ("h200:2x2", "write h200x8"), ("v5e:four", "v5e:2x2")]
)
def test_wrong_names_are_one_line(name, said):
    if not said:
        assert parse_target(name)[1] == "v5e:2x2"
        return
    with pytest.raises(ConfigError, match=said) as caught:
        parse_target(name)
    assert "\n" not in str(caught.value)
