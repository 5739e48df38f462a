"""The battery every op runs through: the cases of all families, by name."""

import cases_activations
import cases_attention
import cases_conv
import cases_graphs
import cases_linear_attention
import cases_norm
import cases_pooling
import cases_rotary
import cases_sparse
import cases_squash
import cases_yat

FAMILIES = (
    cases_activations,
    cases_attention,
    cases_conv,
    cases_graphs,
    cases_linear_attention,
    cases_norm,
    cases_pooling,
    cases_rotary,
    cases_sparse,
    cases_squash,
    cases_yat,
)
CASES = {case.name: case for family in FAMILIES for case in family.cases()}
