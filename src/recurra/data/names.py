"""Names that columns and splits commonly have, the most telling first."""

from __future__ import annotations

__all__ = [
    "KNOWN_NAMES",
    "LABEL_NAMES",
    "LANGUAGE_CODES",
    "PAIR_NAMES",
    "PATH_NAMES",
    "SENTENCE_NAMES",
    "SPLIT_NAMES",
    "TAG_NAMES",
    "TEXT_NAMES",
    "TIME_NAMES",
    "TOKEN_NAMES",
    "TRANSCRIPT_NAMES",
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
TIME_NAMES = (
    *("ds", "timestamp", "datetime", "date_time", "date", "time", "period", "day", "week", "month", "quarter", "year"),
    *("t", "step"),
)
PAIR_NAMES = (
    *(("source", "target"), ("src", "tgt"), ("src", "trg"), ("input", "output"), ("inputs", "targets")),
    *(("question", "answer"), ("question", "query"), ("question", "sql"), ("prompt", "completion")),
    *(("prompt", "response"), ("instruction", "response")),
    *((text, short) for text in ("article", "document", "dialogue", "text") for short in ("summary", "highlights")),
    *(("document", "title"), ("article", "title"), ("text", "headline"), ("text", "title"), ("body", "headline")),
    *((word, sound) for word in ("word", "spelling") for sound in ("pronunciation", "phonemes", "phones", "ipa")),
    *(("grapheme", "phoneme"), ("graphemes", "phonemes"), ("words", "figures"), ("before", "after")),
    *(("raw", "normalized"), ("raw", "normalised"), ("original", "corrected"), ("incorrect", "correct")),
    *(("complex", "simple"), ("text", "target")),
)
PATH_NAMES = (
    *("path", "audio_path", "audio_filepath", "file_path", "filepath", "file_name", "filename", "file", "wav_path"),
    *("wav_filename", "wav", "audio", "audio_file", "recording", "features"),
)
TRANSCRIPT_NAMES = ("text", "transcript", "transcription", "sentence", "normalized_text", "utterance")
_CODES = (  # of ISO 639-1
    "aa ab af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el "
    "en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it "
    "iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt "
    "my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl "
    "sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo "
    "za zh zu"
)
LANGUAGE_CODES = frozenset(_CODES.split())
