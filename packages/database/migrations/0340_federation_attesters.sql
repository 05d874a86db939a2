-- Who vouches for an instance of a client is asked at each of its tokens.
call mono.watch_state('mono.trusted_issuers');
-- Through whose trust a grant began, where an attester vouched for the client's instance: it ends with that trust.
alter table mono.token_grants add column attester_id uuid;
