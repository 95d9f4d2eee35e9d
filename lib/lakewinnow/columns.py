"""The name of every column that lakewinnow writes, once."""

from typing import Final

# corpus/
ROW_ID: Final = "row_id"  # yours, or a hash of the row and its number among equal rows
TEXT: Final = "text"  # or a short form of a row that is judged by its features or its embedding
TEXT_KEY: Final = "text_key"  # SHA-256 of the NFC-normalised text, or of features or embedding
LABEL: Final = "label"  # index into the class list, 0 .. K-1
GIVEN_LABEL: Final = "given_label"  # the label as it came, as a string
FOLD: Final = "fold"
SHARD: Final = "shard"
SOURCE: Final = "source"  # struct of the input's other columns, as they came

# quarantine/
ERROR_CODE: Final = "error_code"
ERROR: Final = "error"

# embeddings/
PROVIDER: Final = "provider"
MODEL: Final = "model"
DIMENSIONS: Final = "dimensions"
VECTOR: Final = "vector"

# to_embed/, while texts are embedded
BUCKET: Final = "bucket"  # a hash of the text key: texts that are embedded together
TOKENS: Final = "tokens"

# pred_probs/
PRED_PROBS: Final = "pred_probs"

# opinions/
ANNOTATOR: Final = "annotator"  # who says that a row has the label; a name within its kind
ANNOTATOR_KIND: Final = "annotator_kind"  # annotation, function or llm; of all tables together
OPINIONS: Final = "opinions"  # on a row
PROBS: Final = "probs"  # share of an annotator's answers for each class
IS_SUSPICIOUS: Final = "is_suspicious"  # whether the text gives orders to a language model
N_OPINIONS: Final = "n_opinions"
MOST_SAID: Final = "most_said"  # the label that most of a row's opinions are for
N_SAYING: Final = "n_saying"  # opinions that are for it

# checks/neighbors/
N_ROWS: Final = "n_rows"  # that have the text
NEIGHBORS: Final = "neighbors"  # text keys
DISTANCES: Final = "distances"
NEIGHBOR_ROWS: Final = "neighbor_rows"  # that have each neighbour's text
MEAN_DISTANCE: Final = "mean_distance"  # of a row to its nearest rows
IN_REFERENCE: Final = "in_reference"  # whether texts are compared with this one

# issues/; the columns of a check are in its folder
TEXT_PREVIEW: Final = "text_preview"  # the first 200 characters
PREDICTED_LABEL: Final = "predicted_label"  # the likeliest by text alone
PREDICTED_PROB: Final = "predicted_prob"  # its probability
SUGGESTED_LABEL: Final = "suggested_label"  # the likeliest by text, given label and noise model
SUGGESTED_PROB: Final = "suggested_prob"  # its probability, by the noise model
GIVEN_LABEL_PROB: Final = "given_label_prob"  # probability of the given label, by the noise model
IS_LABEL_ISSUE: Final = "is_label_issue"  # whether the label looks wrong
LABEL_SCORE: Final = "label_score"  # 0 .. 1, lower is worse
GAIN: Final = "gain"  # by how much one more opinion raises the chance of the right label
LABEL_RANK: Final = "label_rank"  # 1 = worst; null: not an issue
DECISION: Final = "decision"  # keep, fix, review or drop
NEW_LABEL: Final = "new_label"  # the new label of a row that is fixed; else null
DECIDED_BY: Final = "decided_by"  # the person who decided; null: the checks
REASON: Final = "reason"  # what is wrong with the row; null: nothing

# ask/
ASK_RANK: Final = "ask_rank"  # 1 = the row of which one more opinion is worth most
WHY: Final = "why"  # it is worth asking about

# review_sample/, review_queue/
REVIEW_ORDER: Final = "review_order"  # 1, 2 …: of a sample by chance, so that its first are one
TEXT_LENGTH: Final = "text_length"  # in characters; `text` is cut where it is very long
LIKELY_LABELS: Final = "likely_labels"  # of the row, the likeliest first, as struct (label, prob)
NEAREST: Final = "nearest"  # texts, with the label of each, as struct (label, text)
STRATUM: Final = "stratum"  # position in the strata of sample.json
STRATUM_ROWS: Final = "stratum_rows"
STRATUM_DRAWN: Final = "stratum_drawn"
INCLUSION_PROB: Final = "inclusion_prob"  # stratum_drawn / stratum_rows

# clean/, where output.soft_labels is set
SOFT_LABEL: Final = "soft_label"  # a probability for each class

# of `find_multilabel_issues`
PREDICTED_LABELS: Final = "predicted_labels"  # the classes with a probability of 0.5 or more
ISSUE_LABELS: Final = "issue_labels"  # the classes that a row seems wrongly in, or wrongly not in

# of `find_consensus`, by row, then by annotator; cleanlab's names
CONSENSUS_LABEL: Final = "consensus_label"
CONSENSUS_QUALITY_SCORE: Final = "consensus_quality_score"  # 0 .. 1, lower is worse
ANNOTATOR_AGREEMENT: Final = "annotator_agreement"  # share of the row's annotations
NUM_ANNOTATIONS: Final = "num_annotations"
ANNOTATOR_QUALITY: Final = "annotator_quality"  # lower is worse
AGREEMENT_WITH_CONSENSUS: Final = "agreement_with_consensus"  # share of the annotator's labels
WORST_CLASS: Final = "worst_class"
NUM_EXAMPLES_LABELED: Final = "num_examples_labeled"
