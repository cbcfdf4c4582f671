"""What a trained model does and why: token influences, figures and the report of the demo."""

from recurra.diagnose.saliency import Explanation, token_influences

__all__ = ["Explanation", "token_influences"]
