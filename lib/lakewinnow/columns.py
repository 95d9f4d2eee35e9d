"""The name of every column that lakewinnow writes, once."""

from typing import Final

# corpus/
ROW_ID: Final = "row_id"
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

# issues/
TEXT_PREVIEW: Final = "text_preview"
PREDICTED_LABEL: Final = "predicted_label"
PREDICTED_PROB: Final = "predicted_prob"
SUGGESTED_LABEL: Final = "suggested_label"  # the likeliest by text, given label and noise model
SUGGESTED_PROB: Final = "suggested_prob"
GIVEN_LABEL_PROB: Final = "given_label_prob"
IS_LABEL_ISSUE: Final = "is_label_issue"
LABEL_SCORE: Final = "label_score"  # 0 .. 1, lower is worse
LABEL_RANK: Final = "label_rank"  # 1 = worst; null: not an issue
IS_EXACT_DUPLICATE_ISSUE: Final = "is_exact_duplicate_issue"
EXACT_DUPLICATE_SET: Final = "exact_duplicate_set"  # smallest row_id among the equal texts
EXACT_DUPLICATE_OF: Final = "exact_duplicate_of"  # the row of the set that stays for this one
DECISION: Final = "decision"  # keep, fix, review or drop
NEW_LABEL: Final = "new_label"  # of a row that is fixed; else null
DECIDED_BY: Final = "decided_by"  # which person; null: the checks
REASON: Final = "reason"

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
ANNOTATOR: Final = "annotator"
ANNOTATOR_QUALITY: Final = "annotator_quality"  # lower is worse
AGREEMENT_WITH_CONSENSUS: Final = "agreement_with_consensus"  # share of the annotator's labels
WORST_CLASS: Final = "worst_class"
NUM_EXAMPLES_LABELED: Final = "num_examples_labeled"
