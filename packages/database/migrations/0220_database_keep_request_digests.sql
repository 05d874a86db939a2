-- What an idempotency key was used for: SHA-256 of the request. The object itself may be changed later, and then no longer
-- says what was asked for. Null without a key, and where an earlier release has written the row.
alter table mono.invites add column request_digest bytea check (length(request_digest) = 32);
alter table mono.agents add column request_digest bytea check (length(request_digest) = 32);
alter table mono.revocations add column request_digest bytea check (length(request_digest) = 32);
