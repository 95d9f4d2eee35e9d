"""The language model, what it has said so far, and whom to ask about next."""

from collections.abc import Sequence
from functools import cached_property
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.sections import LLM, LLMConfig
from lakewinnow.core.crowd.opinions import OpinionModel
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.noise.posterior import Posterior
from lakewinnow.core.text import normal_form
from lakewinnow.lake.annotators import rate
from lakewinnow.lake.corpus import accepted, accepted_probs
from lakewinnow.lake.opinions import read_opinions
from lakewinnow.lake.queue import most_valuable
from lakewinnow.lake.workspace import Lake
from lakewinnow.opinions.llm.answers import Answers
from lakewinnow.opinions.llm.question import Question
from lakewinnow.opinions.llm.suspicion import is_suspicious
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.portable.unions import union
from lakewinnow.spark.schemas import schema
from lakewinnow.stages.llm import examples
from lakewinnow.stages.llm.asking import Asker, store_of
from lakewinnow.stages.llm.worth import Belief, language_model, worth_asking

_SAMPLE: Final = 256  # texts, to learn what a question takes
_SO_FAR: Final = "opinions_so_far"  # by row, while there are rounds
_ANSWERED: Final = schema(
    {c.TEXT_KEY: "binary", c.LABEL: "int", c.PROBS: "array<float>", c.IS_SUSPICIOUS: "boolean"}
)


class Survey:
    """What a language model is asked, and of which rows.

    Parameters
    ----------
    kinds : of the other annotators, those that have opinions

    Attributes
    ----------
    asker : with what the model has said
    suspicious : keys of texts that were asked about, and give orders to the model
    """

    def __init__(self, lake: Lake, config: LLMConfig, kinds: Sequence[str]) -> None:
        self.lake, self.config, self._kinds = lake, config, kinds
        self._noise_model = NoiseModel.from_dict(lake.files.read_json("noise_model.json"))
        self.classes = tuple(self._noise_model.classes)
        self._doubting = Posterior.doubting(self._noise_model)
        shown, self._shown_keys = examples.chosen(
            lake, config, store_of(lake, config), self.classes, self._doubting
        )
        question = Question(
            self.classes, config.instruction, config.describe, shown, config.samples, config.seed
        )
        self._texts = accepted(lake).select(c.ROW_ID, c.TEXT_KEY, c.TEXT)
        self.asker = Asker(lake, config, question, self._texts.select(c.TEXT_KEY))
        self.suspicious: set[bytes] = set()
        self._model: OpinionModel | None = None
        self.learn()

    @property
    def n_asked(self) -> int:
        """Texts asked about so far."""
        return len(self.asker.answers) + len(self.asker.refused)

    def learn(self) -> None:
        """Rate the annotators anew, by all that is said so far."""
        tables = [read_opinions(self.lake, self._kinds)] if self._kinds else []
        if self.asker.answers:
            mine = self.opinions.where(~F.col(c.IS_SUSPICIOUS))
            own = (F.lit(self.config.model), F.lit(LLM))
            names = (c.ANNOTATOR, c.ANNOTATOR_KIND)
            named = mine.withColumns(dict(zip(names, own, strict=True)))
            tables.append(named.select(c.ROW_ID, c.ANNOTATOR, c.LABEL, c.ANNOTATOR_KIND))
        if tables:
            opinions = tables[0] if len(tables) == 1 else union(*tables)
            self._model, _ = rate(self.lake, opinions, _SO_FAR, self._noise_model)

    @property
    def worth(self) -> DataFrame:
        """The unsure rows that were not asked about: (row_id, gain, suggested_prob)."""
        rows = accepted_probs(self.lake).select(c.ROW_ID, c.LABEL, c.PRED_PROBS)
        if self._model is not None:
            said = self.lake.read(_SO_FAR).select(c.ROW_ID, c.OPINIONS)
            rows = rows.join(said, c.ROW_ID, "left")
        belief = Belief(self._doubting, self._model)
        asked = language_model(self._model, len(self.classes))
        known = self.asker.answers.keys() | self.asker.refused | self._shown_keys
        return worth_asking(self.lake, rows, belief, asked, self.config.sure_at, known)

    def count_texts(self) -> int:
        """Count the texts of `worth`."""
        of_rows = self._texts.join(self.worth.select(c.ROW_ID), c.ROW_ID)
        return of_rows.select(c.TEXT_KEY).distinct().count()

    def next_texts(self, n: int) -> tuple[list[bytes], list[str]]:
        """Return keys and texts of those most worth asking about, at most n, the best first."""
        ids = most_valuable(self.lake, self.worth, n, {}, has_neighbors=False)
        if not ids:
            return [], []
        place = {row_id: i for i, row_id in enumerate(ids)}
        wanted = self.lake.spark.createDataFrame(pa.table({c.ROW_ID: pa.array(ids, pa.string())}))
        found = self._texts.join(F.broadcast(wanted), c.ROW_ID).collect()
        rows = sorted(found, key=lambda row: place[row[c.ROW_ID]])
        keys = [bytes(row[c.TEXT_KEY]) for row in rows]
        texts = [normal_form(row[c.TEXT]) for row in rows]
        pairs = zip(keys, texts, strict=True)
        self.suspicious |= {key for key, text in pairs if is_suspicious(text, self.classes)}
        return keys, texts

    @property
    def opinions(self) -> DataFrame:
        """(row_id, label, probs, is_suspicious) of rows whose text has an opinion."""
        keys, said = sorted(self.asker.answers), self.asker.said
        has_label = said.labels >= 0
        columns = {
            c.TEXT_KEY: pa.array(keys, pa.binary()),
            c.LABEL: said.labels,
            c.PROBS: arrow.list_array(said.shares.astype("float32")),
            c.IS_SUSPICIOUS: [key in self.suspicious for key in keys],
        }
        answered = arrow.record_batch(_ANSWERED, columns).filter(pa.array(has_label))
        frame = self.lake.spark.createDataFrame(pa.Table.from_batches([answered]), _ANSWERED)
        rows = self._texts.select(c.ROW_ID, c.TEXT_KEY).join(F.broadcast(frame), c.TEXT_KEY)
        return rows.drop(c.TEXT_KEY)

    @cached_property
    def learnt(self) -> tuple[float, float]:
        """Tokens billed for each expected, of prompts and of answers, by what is in the store."""
        some = dict(sorted(self.asker.stored.items())[:_SAMPLE])
        if not some:
            return 1.0, 1.0
        keys = self.lake.spark.createDataFrame(
            pa.table({c.TEXT_KEY: pa.array([*some], pa.binary())})
        )
        rows = self._texts.join(F.broadcast(keys), c.TEXT_KEY).collect()
        texts = {bytes(row[c.TEXT_KEY]): normal_form(row[c.TEXT]) for row in rows}
        expected = [self.asker.annotator.expected(texts[key]) for key in some]
        said = Answers.of(np.stack([*some.values()]))
        prompt, answer = map(sum, zip(*expected, strict=True))
        return said.prompt_tokens.sum() / prompt, said.answer_tokens.sum() / answer

    def forget(self) -> None:
        """Delete what was kept between rounds."""
        self.lake.drop(_SO_FAR)
