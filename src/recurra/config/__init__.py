"""What a run can be told: one validated, frozen model per concern and task.

Every option exists once, here: its name, type, default, limits and help text. The command line is made from these
fields, the estimators take the same names, and a model directory's `config.json` is a :class:`RunConfig`.
"""

from recurra.config.classify import (
    OF_TEXTS,
    ClassifyConfig,
    ClassifyDataConfig,
    ClassifyModelConfig,
    PoolingName,
)
from recurra.config.forecast import (
    FillName,
    ForecastConfig,
    ForecastDataConfig,
    ForecastModelConfig,
    OutputName,
    ScalingName,
)
from recurra.config.language_model import LanguageModelConfig, LanguageModelDataConfig, LanguageModelNetworkConfig
from recurra.config.run import CONFIGS, make_run_config, parse_run_config
from recurra.config.sections import (
    OF_SGD,
    CellName,
    DataConfig,
    FilesConfig,
    ModelConfig,
    NetworkConfig,
    RecurrentCell,
    RunConfig,
    SymbolsConfig,
    TrainConfig,
    VocabularyConfig,
    section_model,
)
from recurra.config.tag import TagConfig, TagDataConfig, TagModelConfig
from recurra.config.transcribe import (
    FeaturesConfig,
    TranscribeConfig,
    TranscribeDataConfig,
    TranscribeModelConfig,
)
from recurra.config.translate import (
    AttentionName,
    TranslateConfig,
    TranslateDataConfig,
    TranslateModelConfig,
    TranslateVocabularyConfig,
)

__all__ = [
    "CONFIGS",
    "OF_SGD",
    "OF_TEXTS",
    "AttentionName",
    "CellName",
    "ClassifyConfig",
    "ClassifyDataConfig",
    "ClassifyModelConfig",
    "DataConfig",
    "FeaturesConfig",
    "FilesConfig",
    "FillName",
    "ForecastConfig",
    "ForecastDataConfig",
    "ForecastModelConfig",
    "LanguageModelConfig",
    "LanguageModelDataConfig",
    "LanguageModelNetworkConfig",
    "ModelConfig",
    "NetworkConfig",
    "OutputName",
    "PoolingName",
    "RecurrentCell",
    "RunConfig",
    "ScalingName",
    "SymbolsConfig",
    "TagConfig",
    "TagDataConfig",
    "TagModelConfig",
    "TrainConfig",
    "TranscribeConfig",
    "TranscribeDataConfig",
    "TranscribeModelConfig",
    "TranslateConfig",
    "TranslateDataConfig",
    "TranslateModelConfig",
    "TranslateVocabularyConfig",
    "VocabularyConfig",
    "make_run_config",
    "parse_run_config",
    "section_model",
]
