"""Names that columns and splits commonly have, the most telling first."""

from __future__ import annotations

__all__ = ["KNOWN_NAMES", "LABEL_NAMES", "SPLIT_NAMES", "TEXT_NAMES"]

TEXT_NAMES = (
    *("text", "sentence", "review", "content", "body", "comment", "message", "document", "tweet", "utterance"),
    *("sms", "post", "description", "abstract", "question", "headline", "title"),
)
LABEL_NAMES = (
    *("label", "labels", "sentiment", "class", "category", "target", "intent", "emotion", "topic", "rating"),
    *("stars", "polarity", "score", "y"),
)
SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "validation", "dev", "val"), "valid"),
    "test": "test",
}
KNOWN_NAMES = frozenset((*TEXT_NAMES, *LABEL_NAMES, "split", "id"))
