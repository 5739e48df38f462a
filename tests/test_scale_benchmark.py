"""Scaling on paper: what is counted is there, and what is foretold adds up."""

import json
import math
import subprocess
import sys
from itertools import pairwise

import jax
import jax.numpy as jnp
import pytest

import pyneurons_yat as pn
from benchmarks.scale import clock, layer, page, scaling, virtual
from benchmarks.scale.chips import H200, V5P, across, neighbors
from benchmarks.scale.hlo import Collective, work
from benchmarks.scale.network import ONE, SEVENTY, SMALL, Network
from benchmarks.scale.plans import CPU, Means, Plan, load, plans
from benchmarks.scale.worker import Seen, batch_of, model_of

TINY = Network("tiny", 7, 8, 3, 4, 2, 12, 6)

TEXT = """HloModule jit_step, num_partitions=8

%add (a: f32[], b: f32[]) -> f32[] {
  %a = f32[] parameter(0)
  %b = f32[] parameter(1)
  ROOT %sum = f32[] add(%a, %b)
}

%body (p: (s32[], f32[4,6])) -> (s32[], f32[4,6]) {
  %p = (s32[], f32[4,6]{1,0}) parameter(0)
  %x = f32[4,6]{1,0} get-tuple-element(%p), index=1
  %w = f32[6,6]{1,0} all-gather(%s), replica_groups=[2,4]<=[8], dimensions={0}
  %y = f32[4,6]{1,0} dot(%x, %w), lhs_contracting_dims={1}, rhs_contracting_dims={0}
  ROOT %t = (s32[], f32[4,6]{1,0}) tuple(%i, %y)
}

%condition (p.1: (s32[], f32[4,6])) -> pred[] {
  %p.1 = (s32[], f32[4,6]{1,0}) parameter(0)
  ROOT %less = pred[] compare(%i.1, %n), direction=LT
}

ENTRY %main (x.1: f32[4,6]) -> f32[4,6] {
  %x.1 = f32[4,6]{1,0} parameter(0)
  %loop = (s32[], f32[4,6]{1,0}) while(%start), condition=%condition, body=%body, \
backend_config={"known_trip_count":{"n":"5"}}
  %one = f32[4,6]{1,0} get-tuple-element(%loop), index=1
  %both = (f32[4,6]{1,0}, bf16[10]{0}) all-reduce(%one, %two), replica_groups={{0,1},{2,3}}, \
to_apply=%add
  %began = (f32[4]{0}, f32[16]{0}) all-gather-start(%v), replica_groups=[1,4]<=[4], dimensions={0}
  %ended = f32[16]{0} all-gather-done(%began)
  %scattered = f32[2]{0} reduce-scatter(%u), replica_groups=[1,8]<=[8], to_apply=%add
  ROOT %moved = f32[4,6]{1,0} collective-permute(%one), source_target_pairs={{0,1},{1,0}}
}
"""


def test_a_program_is_counted_as_often_as_it_is_executed():
    found = work(TEXT)
    assert found.products == 5 * 2 * 4 * 6 * 6
    assert found.collectives == {
        Collective("all-gather", 6 * 6 * 4, 4): 5,
        Collective("all-reduce", 4 * 6 * 4 + 10 * 2, 2): 1,
        Collective("all-gather", 16 * 4, 4): 1,
        Collective("reduce-scatter", 2 * 8 * 4, 8): 1,
        Collective("collective-permute", 4 * 6 * 4, 2): 1,
    }
    gathered = 5 * 144 * 3 / 4 + 64 * 3 / 4
    assert found.sent == gathered + 116 + 64 * 7 / 8 + 96
    assert found.by_kind()["all-gather"] == gathered
    assert found.exchanges == 9
    with pytest.raises(ValueError, match="compiled module"):
        work("nothing")


@pytest.mark.usefixtures("optimized")
def test_the_products_of_a_compiled_scan_are_counted():
    x, w = jnp.ones((4, 6)), jnp.ones((5, 6, 6))

    @jax.jit
    def chain(x, w):
        return jax.lax.scan(lambda x, w: (jnp.sin(x @ w), None), x, w)[0]

    assert work(chain.lower(x, w).compile().as_text()).products == 5 * 2 * 4 * 6 * 6


@pytest.mark.parametrize("network", [TINY, SMALL, ONE, SEVENTY], ids=lambda n: n.name)
def test_parameters_are_those_of_the_zoo(network):
    model = jax.eval_shape(lambda key: model_of(network, key), jax.random.key(0))
    assert pn.count(model) == network.parameters


def test_networks_have_the_sizes_of_their_names():
    assert 0.95e9 < ONE.parameters < 1.15e9
    assert 68e9 < SEVENTY.parameters < 72e9


@pytest.mark.slow
@pytest.mark.usefixtures("optimized")
def test_products_are_those_of_the_compiled_step():
    def loss(model, x, y):
        return pn.cross_entropy(model(x), y)

    model = jax.eval_shape(lambda key: model_of(SMALL, key), jax.random.key(0))
    batch = jax.eval_shape(lambda: batch_of(SMALL, 4))
    compiled = jax.jit(jax.grad(loss)).lower(model, *batch).compile()
    tokens = 4 * SMALL.length
    told = load(SMALL, Plan(remat=False), tokens).products
    assert work(compiled.as_text()).products == pytest.approx(told, rel=0.1)


def volumes(plan):
    return load(TINY, plan, 1024.0, Means(4, 4, 4))


def test_volumes_are_those_of_rings():
    bytes_of_all = 4 * TINY.parameters
    for n in (2, 4, 8):
        share = (n - 1) / n
        assert volumes(Plan(data=n)).copies == pytest.approx(2 * bytes_of_all * share)
        assert volumes(Plan(data=n, fsdp=True)).copies == pytest.approx(3 * bytes_of_all * share)
        stream = 1024 * TINY.features * 4
        sums = volumes(Plan(model=n, remat=False)).model
        assert sums == pytest.approx(4 * TINY.blocks * 2 * stream * share)
        apart = load(TINY, Plan(model=n, remat=False), 1024.0, CPU).model
        assert apart == pytest.approx(6 * TINY.blocks * 2 * stream * share)
        whole = load(TINY, Plan(data=n, fsdp=True), 1024.0, CPU).copies
        assert whole == pytest.approx(4 * bytes_of_all * share)
        own = 1024 / n * 4
        ring = n * 6 * TINY.kv_features + 4 * (TINY.features + TINY.kv_features)
        told = volumes(Plan(sequence=n, remat=False)).sequence
        assert told == pytest.approx(TINY.blocks * own * ring)
    one = volumes(Plan())
    assert (one.copies, one.model, one.sequence) == (0, 0, 0)


def test_what_is_divided_is_divided():
    whole = volumes(Plan(remat=False))
    for plan in (Plan(data=4, remat=False), Plan(sequence=4, remat=False)):
        assert volumes(plan).products == pytest.approx(whole.products / 4)
    logits = 6 * 1024 * TINY.vocabulary * TINY.features  # which lie on each chip whole
    divided = (whole.products - logits) / 4 + logits
    assert volumes(Plan(model=4, remat=False)).products == pytest.approx(divided)
    assert volumes(Plan(data=4, fsdp=True)).memory < volumes(Plan(data=4)).memory
    assert volumes(Plan(remat=True)).memory < whole.memory
    assert volumes(Plan(remat=True)).products > whole.products


def test_plans_use_all_chips_and_divide_what_there_is():
    found = plans(ONE, 64, 2**21)
    assert {one.chips for one in found} == {64}
    assert all(ONE.kv_heads % one.model == 0 for one in found)
    assert all(one.data * ONE.length <= 2**21 for one in found)


def test_a_network_finds_room_only_on_enough_chips():
    assert clock.best(H200, ONE, 8, 2**21) is not None
    assert clock.best(V5P, SEVENTY, 8, 2**22) is None
    assert clock.best(V5P, SEVENTY, 64, 2**22) is not None


def test_links_are_the_published_ones():
    assert neighbors(V5P, 16).rate == pytest.approx(V5P.link / 3)
    assert across(V5P, 4096, 1).rate == V5P.link
    assert across(V5P, 256, 16).rate == pytest.approx(V5P.link * 2 / 3)
    assert neighbors(H200, 8).rate == H200.link
    assert across(H200, 64, 8).rate == H200.network
    assert across(H200, 64, 1).rate == 8 * H200.network


@pytest.mark.parametrize("chip", [V5P, H200], ids=lambda c: c.name)
def test_strong_scaling_ends_and_weak_scaling_goes_on(chip):
    strong, weak = (
        next(s for s in scaling.studies(kind) if s.chip == chip and s.network == ONE)
        for kind in ("strong", "weak")
    )
    uses = {
        kind.kind: [one.seconds.use for one in kind.curves["best of all"].values() if one]
        for kind in (strong, weak)
    }
    assert uses["strong"][-1] < uses["strong"][0]
    assert uses["weak"][-1] > uses["strong"][-1]
    assert all(0 < use < 1 for use in uses["strong"] + uses["weak"])
    times = [one.seconds.total for one in strong.curves["best of all"].values() if one]
    assert all(later < before for before, later in pairwise(times[:5]))
    assert scaling.end({8: None}) is None


def test_pictures_and_tables_are_written(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(layer, "costs", lambda *_: [layer.Cost("Yat", 1e9, 1e7, 0.0, 1e6)])
    rows = [
        virtual.Row("fsdp", 2, "sent", 1.0, 1.1),
        virtual.Row("fsdp", 2, "time", 1.2, 2.0, (1.9, 2.1)),
    ]
    page.write(tmp_path, rows)
    found = {path.name for path in tmp_path.iterdir()}
    assert {"strong.svg", "weak.svg", "strong.md", "weak.md", "virtual.md", "layer.md"} <= found
    told = (tmp_path / "virtual.md").read_text()
    assert "Furthest off: time of fsdp on 2 devices, by 40%; 1 of 2" in told
    assert "1.2 / 2 [1.9, 2.1]" in told
    assert "finds no room" in (tmp_path / "strong.md").read_text()
    assert math.isclose(rows[0].off, 0.1 / 1.1)


def found(layout, devices, seconds, sent=0.0):
    """What a process might have found."""
    told = virtual.asked(layout, devices, SMALL)
    state = 12 * SMALL.parameters * virtual.held(layout, devices, SMALL)
    kinds = {"all-reduce": sent}
    numbers = (told.products, kinds, 1, state, 0, seconds, 1e-11, 0.01, (1e-4, 1e-10))
    return Seen(layout, devices, *numbers)


def test_what_is_foretold_of_virtual_devices_adds_up():
    one = found("data_parallel", 1, [0.3, 0.4, 0.5])
    more = found("fsdp", 4, [0.36, 0.5, 0.7], 4e7)
    rows = {row.what: row for row in virtual.rows(one, [more])}
    assert rows["products"].foretold == rows["products"].found == pytest.approx(0.25)
    assert rows["held"].foretold == rows["held"].found == 0.25
    assert rows["sent"].found == 4e7 / one.held
    assert rows["time"].found == 1.25
    assert rows["time"].spread == pytest.approx((1.225, 1.325))
    told = virtual.asked("fsdp", 4, SMALL)
    exchanges = told.copies_exchanges * 1e-4 + told.copies * 1e-10
    passes = told.traffic / virtual.asked("data_parallel", 1, SMALL).traffic * 4 - 1
    rest = 0.4 - 0.01 - 1e-11 * virtual.asked("data_parallel", 1, SMALL).products
    assert rows["time"].foretold == pytest.approx(1 + (exchanges + passes * rest) / 0.4)


@pytest.mark.parametrize(
    ("layout", "plan"),
    [
        ("data_parallel", Plan(data=4, remat=False)),
        ("fsdp", Plan(data=4, fsdp=True, remat=False)),
        ("tensor_parallel", Plan(model=4, remat=False)),
        ("sequence_parallel", Plan(sequence=4, remat=False)),
    ],
)
def test_layouts_of_the_library_are_plans(layout, plan):
    assert virtual.plan_of(layout, 4) == plan


@pytest.mark.slow
def test_a_process_of_virtual_devices_tells_what_it_sends():
    one, seen = virtual.seen(SMALL, [virtual.ALONE, ("fsdp", 2)])
    told = virtual.asked("fsdp", 2, SMALL)
    assert seen.products == pytest.approx(told.products, rel=0.1)
    assert sum(seen.sent.values()) == pytest.approx(told.copies, rel=0.1)
    assert seen.held == pytest.approx(6 * SMALL.parameters, rel=0.01)
    assert not any(one.sent.values())
    assert len(one.seconds) == len(seen.seconds)
    with pytest.raises(RuntimeError, match="no_layout:1: .*no attribute 'no_layout'"):
        virtual.seen(SMALL, [("no_layout", 1)])


@pytest.mark.slow
def test_a_step_is_compiled_for_tpus_that_are_not_there():
    pytest.importorskip("libtpu", reason="pip install libtpu")
    command = [sys.executable, "-m", "benchmarks.scale.tpu", "small", "2x2x1", "fsdp", "16"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=virtual.ROOT)
    seen = json.loads(ran.stdout.splitlines()[-1])
    told = load(SMALL, Plan(data=4, fsdp=True), 1024).copies
    assert told / 2 < sum(seen["sent"].values()) < 4 * told
    assert seen["held"] == pytest.approx(12 * SMALL.parameters / 4, rel=0.05)
