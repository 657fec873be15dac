#!/bin/sh
# Written by the role longshore.stack.rabbitmq: changes are lost.
# Whether RabbitMQ takes a configuration: its own program reads it by its own schemas, and starts nothing.
# Erlang looks into the directory that it starts in.
cd /
home=$(echo /usr/lib/rabbitmq/lib/rabbitmq_server-*)
said=$(runuser -u rabbitmq -- env HOME=/nonexistent ERL_CRASH_DUMP_SECONDS=0 RABBITMQ_CHECKED="$1" ERL_LIBS="$home/plugins" erl -noinput -boot start_clean -eval '
  logger:set_primary_config(level, none),
  Schemas = lists:sort(filelib:wildcard(os:getenv("ERL_LIBS") ++ "/rabbit*/priv/schema/*.schema")),
  Conf = cuttlefish_conf:file(os:getenv("RABBITMQ_CHECKED")),
  Told = case Conf of
    {errorlist, Errors} -> Errors;
    _ -> case cuttlefish_generator:map(cuttlefish_schema:files(Schemas), Conf) of
      {error, _, {errorlist, Errors}} -> Errors;
      _ -> []
    end
  end,
  [io:format("~ts~n", [cuttlefish_error:xlate(Error)]) || {error, Error} <- Told],
  erlang:halt(min(1, length(Told)))' 2>&1) && exit 0
printf '%s\n' "$said" | tail -n 5
exit 1
