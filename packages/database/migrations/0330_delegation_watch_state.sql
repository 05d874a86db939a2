-- What an agent may do for somebody is asked at each exchange.
call mono.watch_state('mono.agent_consents');
