"""The bounds that both ends keep; Mosquitto's configuration is generated from the first."""

# One MQTT payload. More than four hours of one-minute light records fit (tested), and a broker that
# holds a full queue of these for every node of a city still fits a small server. Nodes also obey
# the broker's own Maximum Packet Size, which may be lower.
MAX_PAYLOAD_BYTES = 64 * 1024

# Records a batch may carry, whatever their size: bounds what one bad payload can cost to sort out.
MAX_RECORDS_PER_BATCH = 1000

# int64 on both ends; a `seq` this large would take 290 million years at one record a millisecond.
MAX_SEQ = 2**63 - 2

# 2000-01-01 and 2100-01-01 in ms: outside these a time is nonsense, not merely a wrong clock.
MIN_T_MS = 946_684_800_000
MAX_T_MS = 4_102_444_800_000

# Footfall is never reported for less time than this: shorter windows would follow single people.
MIN_FOOTFALL_WINDOW_S = 300
MAX_WINDOW_S = 3600

# How long a walk test may run, and the grain it reports at.
WALK_TEST_MAX_S = 900
WALK_TEST_GRAIN_S = 10

# A record waits this long for the clock to be synchronised, then goes out flagged.
CLOCK_WAIT_S = 600

# How the MQTT session outlives a lost connection: longer than any outage a spool bridges, so that
# a `down/config` sent meanwhile still arrives.
SESSION_EXPIRY_S = 30 * 86_400

# Times further ahead of receipt than this are held by the server, not stored.
MAX_AHEAD_S = 600
