"""What a trained model does and why: what moved its answers, how far it remembers, what its units do."""

from recurra.diagnose.explain import explain
from recurra.diagnose.explained import Explained
from recurra.diagnose.saliency import Explanation, token_influences

__all__ = ["Explained", "Explanation", "explain", "token_influences"]
