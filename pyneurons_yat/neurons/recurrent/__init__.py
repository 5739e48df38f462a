"""Recurrent cells, and what drives them over a sequence.

Data meets `rnn` first, which stacks cells; `scan_cell` drives one over time; `cell` says what a
cell is, and `states` gives carries in torch's order. `cells` are the cells that everyone knows,
made of `gates`; `yat_cells` are made of `yat_forms`, of which there are two: `yat_gates` and
`separate_gates`.
"""

from .cell import bind_cell, initial_carry
from .cells import GRUCell, LSTMCell, SimpleCell
from .rnn import GRU, LSTM, RNN, YatGRU, YatLSTM, YatSimpleRNN
from .scan_cell import scan_cell
from .states import carry_of, stacked_states
from .yat_cells import YatGRUCell, YatLSTMCell, YatSimpleCell

__all__ = [
    "GRU",
    "GRUCell",
    "LSTM",
    "LSTMCell",
    "RNN",
    "SimpleCell",
    "YatGRU",
    "YatGRUCell",
    "YatLSTM",
    "YatLSTMCell",
    "YatSimpleCell",
    "YatSimpleRNN",
    "bind_cell",
    "carry_of",
    "initial_carry",
    "scan_cell",
    "stacked_states",
]
