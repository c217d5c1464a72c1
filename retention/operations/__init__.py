"""What can be done with history: make months ahead, let old ones go, keep some of it whatever its age."""

from retention.operations.cleaning import Gone as Gone
from retention.operations.cleaning import clean as clean
from retention.operations.holding import place_hold as place_hold
from retention.operations.holding import release_hold as release_hold
from retention.operations.months import make_ahead as make_ahead
from retention.operations.sweeping import sweep as sweep
