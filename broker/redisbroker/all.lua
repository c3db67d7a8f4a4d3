-- Gives all values of a set, those too that have expired, and the time.
-- KEYS: values, expiries.
return { tostring(now), redis.call('HGETALL', KEYS[1]) }
