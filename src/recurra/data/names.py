"""Names that columns and splits commonly have, the most telling first."""

from __future__ import annotations

__all__ = [
    "KNOWN_NAMES",
    "LABEL_NAMES",
    "SENTENCE_NAMES",
    "SPLIT_NAMES",
    "TAG_NAMES",
    "TEXT_NAMES",
    "TOKEN_NAMES",
]

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
TOKEN_NAMES = ("token", "tokens", "word", "words", "form", "forms", "text")
TAG_NAMES = (
    *("tag", "tags", "label", "labels", "ner", "ner_tag", "ner_tags", "entity", "chunk", "chunk_tags"),
    *("upos", "pos", "pos_tag", "pos_tags", "xpos"),
)
SENTENCE_NAMES = (
    *("sentence", "sentence_id", "sentence #", "sent_id", "sent", "sentence_idx", "sentence_number", "sentence_no"),
    *("id", "doc", "doc_id", "document"),
)
