# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_flowrun_global_optspecs
    string join \n h/help V/version
end

function __fish_flowrun_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_flowrun_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_flowrun_using_subcommand
    set -l cmd (__fish_flowrun_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c flowrun -n "__fish_flowrun_needs_command" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_needs_command" -s V -l version -d 'Print version'
complete -c flowrun -n "__fish_flowrun_needs_command" -f -a "run" -d 'Run a pipeline, or continue the run that did not reach its end'
complete -c flowrun -n "__fish_flowrun_needs_command" -f -a "resume" -d 'Continue a run with the plan that is stored in it, a failed one too'
complete -c flowrun -n "__fish_flowrun_needs_command" -f -a "check" -d 'Read a pipeline file and say everything that is wrong with it'
complete -c flowrun -n "__fish_flowrun_needs_command" -f -a "plan" -d 'Say what would run, and why'
complete -c flowrun -n "__fish_flowrun_needs_command" -f -a "explain" -d 'Say why an instance would run, or where its cached result comes from'
complete -c flowrun -n "__fish_flowrun_needs_command" -f -a "shell" -d 'Open a shell in the place of an instance: its environment, folder, container and inputs'
complete -c flowrun -n "__fish_flowrun_needs_command" -f -a "graph" -d 'Draw the graph of a pipeline'
complete -c flowrun -n "__fish_flowrun_needs_command" -f -a "status" -d 'Show the state of a run, live or over: the newest, or RUN'
complete -c flowrun -n "__fish_flowrun_needs_command" -f -a "attach" -d 'Follow a live run, the newest or RUN, to its end; Ctrl-C leaves it at work'
complete -c flowrun -n "__fish_flowrun_needs_command" -f -a "cancel" -d 'Stop a run, the newest or RUN, with all its jobs; the same command continues it'
complete -c flowrun -n "__fish_flowrun_needs_command" -f -a "runs" -d 'List the runs of a pipeline, newest first, or remove runs'
complete -c flowrun -n "__fish_flowrun_needs_command" -f -a "cache" -d 'Look after what is cached: list, show, verify, remove, bless'
complete -c flowrun -n "__fish_flowrun_needs_command" -f -a "log" -d 'Print what an instance wrote to its standard output and error'
complete -c flowrun -n "__fish_flowrun_needs_command" -f -a "test" -d 'Run the tests of a pipeline\'s tasks, each in a fresh folder'
complete -c flowrun -n "__fish_flowrun_needs_command" -f -a "config" -d 'Show the settings that hold for a pipeline, and where they come from'
complete -c flowrun -n "__fish_flowrun_needs_command" -f -a "doctor" -d 'Look whether a run would find here what it needs, and say how to mend what is wrong'
complete -c flowrun -n "__fish_flowrun_needs_command" -f -a "template" -d 'List the built-in pipelines, or copy one to start from'
complete -c flowrun -n "__fish_flowrun_needs_command" -f -a "schema" -d 'Print the JSON Schema of pipeline files, for editors'
complete -c flowrun -n "__fish_flowrun_needs_command" -f -a "completions" -d 'Print the completion script of a shell'
complete -c flowrun -n "__fish_flowrun_needs_command" -f -a "__man" -d 'Write man pages, completions and schema into a folder'
complete -c flowrun -n "__fish_flowrun_needs_command" -f -a "__executor" -d 'The helper process that starts tasks'
complete -c flowrun -n "__fish_flowrun_needs_command" -f -a "__drive" -d 'A driver that no terminal holds'
complete -c flowrun -n "__fish_flowrun_needs_command" -f -a "__agent" -d 'A worker on a cluster\'s node'
complete -c flowrun -n "__fish_flowrun_using_subcommand run" -s p -l param -d 'Give a param its value; may be given many times' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand run" -l params -d 'Read values of params from a TOML or JSON file' -r -F
complete -c flowrun -n "__fish_flowrun_using_subcommand run" -s j -l jobs -d 'Cores for tasks [default: those that flowrun may use]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand run" -l backend -d 'What executes the tasks [default: local]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand run" -l store -d 'The database of runs and cache [default: .flowrun/store.db]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand run" -l artifacts -d 'Keep artifacts by their content in this folder, to restore them' -r -f -a "(__fish_complete_directories)"
complete -c flowrun -n "__fish_flowrun_using_subcommand run" -l profile -d 'Take settings from this profile of `flowrun.toml`' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand run" -l force -d 'Run this node again, whatever is cached; may be given many times' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand run" -l events -d 'Write every event as a line of JSON to this file' -r -F
complete -c flowrun -n "__fish_flowrun_using_subcommand run" -l trace -d 'Write what flowrun did when, and when tasks ran, to this file, for <https://ui.perfetto.dev>' -r -F
complete -c flowrun -n "__fish_flowrun_using_subcommand run" -l lease -d 'After how many silent seconds other runs take over what this one computes' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand run" -l output -d 'How the result is printed: for people, or as one JSON document' -r -f -a "human\t''
json\t''"
complete -c flowrun -n "__fish_flowrun_using_subcommand run" -l only -d 'Run the named nodes alone, on what the others gave last'
complete -c flowrun -n "__fish_flowrun_using_subcommand run" -l no-cache -d 'Use no cached result; new ones are still kept'
complete -c flowrun -n "__fish_flowrun_using_subcommand run" -l keep-going -d 'After a failure go on with everything that does not need it'
complete -c flowrun -n "__fish_flowrun_using_subcommand run" -l timings -d 'Say at the end where flowrun\'s own time went'
complete -c flowrun -n "__fish_flowrun_using_subcommand run" -l detach -d 'Return as soon as the run has begun: a process of its own drives it on, on a cluster a job (see `flowrun attach`)'
complete -c flowrun -n "__fish_flowrun_using_subcommand run" -l wait -d 'Wait while another run holds this pipeline'
complete -c flowrun -n "__fish_flowrun_using_subcommand run" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand resume" -s j -l jobs -d 'Cores for tasks [default: those that flowrun may use]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand resume" -l backend -d 'What executes the tasks [default: local]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand resume" -l store -d 'The database of runs and cache [default: .flowrun/store.db]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand resume" -l artifacts -d 'Keep artifacts by their content in this folder, to restore them' -r -f -a "(__fish_complete_directories)"
complete -c flowrun -n "__fish_flowrun_using_subcommand resume" -l profile -d 'Take settings from this profile of `flowrun.toml`' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand resume" -l events -d 'Write every event as a line of JSON to this file' -r -F
complete -c flowrun -n "__fish_flowrun_using_subcommand resume" -l trace -d 'Write what flowrun did when, and when tasks ran, to this file, for <https://ui.perfetto.dev>' -r -F
complete -c flowrun -n "__fish_flowrun_using_subcommand resume" -l lease -d 'After how many silent seconds other runs take over what this one computes' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand resume" -l output -d 'How the result is printed: for people, or as one JSON document' -r -f -a "human\t''
json\t''"
complete -c flowrun -n "__fish_flowrun_using_subcommand resume" -l keep-going -d 'After a failure go on with everything that does not need it'
complete -c flowrun -n "__fish_flowrun_using_subcommand resume" -l timings -d 'Say at the end where flowrun\'s own time went'
complete -c flowrun -n "__fish_flowrun_using_subcommand resume" -l detach -d 'Return as soon as the run has begun: a process of its own drives it on, on a cluster a job (see `flowrun attach`)'
complete -c flowrun -n "__fish_flowrun_using_subcommand resume" -l wait -d 'Wait while another run holds this pipeline'
complete -c flowrun -n "__fish_flowrun_using_subcommand resume" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand check" -s p -l param -d 'Give a param its value; may be given many times' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand check" -l params -d 'Read values of params from a TOML or JSON file' -r -F
complete -c flowrun -n "__fish_flowrun_using_subcommand check" -l output -d 'How the result is printed: for people, or as one JSON document' -r -f -a "human\t''
json\t''"
complete -c flowrun -n "__fish_flowrun_using_subcommand check" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand plan" -s p -l param -d 'Give a param its value; may be given many times' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand plan" -l params -d 'Read values of params from a TOML or JSON file' -r -F
complete -c flowrun -n "__fish_flowrun_using_subcommand plan" -s j -l jobs -d 'Cores for tasks [default: those that flowrun may use]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand plan" -l backend -d 'What executes the tasks [default: local]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand plan" -l store -d 'The database of runs and cache [default: .flowrun/store.db]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand plan" -l artifacts -d 'Keep artifacts by their content in this folder, to restore them' -r -f -a "(__fish_complete_directories)"
complete -c flowrun -n "__fish_flowrun_using_subcommand plan" -l profile -d 'Take settings from this profile of `flowrun.toml`' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand plan" -l force -d 'Run this node again, whatever is cached; may be given many times' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand plan" -l output -d 'How the result is printed: for people, or as one JSON document' -r -f -a "human\t''
json\t''"
complete -c flowrun -n "__fish_flowrun_using_subcommand plan" -l no-cache -d 'Use no cached result; new ones are still kept'
complete -c flowrun -n "__fish_flowrun_using_subcommand plan" -l summary -d 'Only the counts, without the instances'
complete -c flowrun -n "__fish_flowrun_using_subcommand plan" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand explain" -s p -l param -d 'Give a param its value; may be given many times' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand explain" -l params -d 'Read values of params from a TOML or JSON file' -r -F
complete -c flowrun -n "__fish_flowrun_using_subcommand explain" -s j -l jobs -d 'Cores for tasks [default: those that flowrun may use]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand explain" -l backend -d 'What executes the tasks [default: local]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand explain" -l store -d 'The database of runs and cache [default: .flowrun/store.db]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand explain" -l artifacts -d 'Keep artifacts by their content in this folder, to restore them' -r -f -a "(__fish_complete_directories)"
complete -c flowrun -n "__fish_flowrun_using_subcommand explain" -l profile -d 'Take settings from this profile of `flowrun.toml`' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand explain" -l output -d 'How the result is printed: for people, or as one JSON document' -r -f -a "human\t''
json\t''"
complete -c flowrun -n "__fish_flowrun_using_subcommand explain" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand shell" -s p -l param -d 'Give a param its value; may be given many times' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand shell" -l params -d 'Read values of params from a TOML or JSON file' -r -F
complete -c flowrun -n "__fish_flowrun_using_subcommand shell" -s j -l jobs -d 'Cores for tasks [default: those that flowrun may use]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand shell" -l backend -d 'What executes the tasks [default: local]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand shell" -l store -d 'The database of runs and cache [default: .flowrun/store.db]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand shell" -l artifacts -d 'Keep artifacts by their content in this folder, to restore them' -r -f -a "(__fish_complete_directories)"
complete -c flowrun -n "__fish_flowrun_using_subcommand shell" -l profile -d 'Take settings from this profile of `flowrun.toml`' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand shell" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand graph" -l format -d 'The form; the ending of FILE decides when left out, else `dot`' -r -f -a "dot\t''
mermaid\t''
svg\t''
json\t''"
complete -c flowrun -n "__fish_flowrun_using_subcommand graph" -s o -l out -d 'Write to a file instead of standard output' -r -F
complete -c flowrun -n "__fish_flowrun_using_subcommand graph" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand status" -l output -d 'How the result is printed: for people, or as one JSON document' -r -f -a "human\t''
json\t''"
complete -c flowrun -n "__fish_flowrun_using_subcommand status" -s w -l watch -d 'Follow the run to its end, as `flowrun attach` does'
complete -c flowrun -n "__fish_flowrun_using_subcommand status" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand attach" -l output -d 'How the result is printed: for people, or as one JSON document' -r -f -a "human\t''
json\t''"
complete -c flowrun -n "__fish_flowrun_using_subcommand attach" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand cancel" -l output -d 'How the result is printed: for people, or as one JSON document' -r -f -a "human\t''
json\t''"
complete -c flowrun -n "__fish_flowrun_using_subcommand cancel" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand runs; and not __fish_seen_subcommand_from rm" -s n -l limit -d 'At most so many' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand runs; and not __fish_seen_subcommand_from rm" -l store -d 'The database of runs and cache [default: .flowrun/store.db]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand runs; and not __fish_seen_subcommand_from rm" -l profile -d 'Take settings from this profile of `flowrun.toml`' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand runs; and not __fish_seen_subcommand_from rm" -l output -d 'How the result is printed: for people, or as one JSON document' -r -f -a "human\t''
json\t''"
complete -c flowrun -n "__fish_flowrun_using_subcommand runs; and not __fish_seen_subcommand_from rm" -l all -d 'Of every project of the store, with user, host and folder'
complete -c flowrun -n "__fish_flowrun_using_subcommand runs; and not __fish_seen_subcommand_from rm" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand runs; and not __fish_seen_subcommand_from rm" -a "rm" -d 'Remove runs with their journals and logs, or only their logs'
complete -c flowrun -n "__fish_flowrun_using_subcommand runs; and __fish_seen_subcommand_from rm" -l older-than -d 'What is older than this: `30d`, `12h`' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand runs; and __fish_seen_subcommand_from rm" -l keep-last -d 'Keep the N newest' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand runs; and __fish_seen_subcommand_from rm" -l max-size -d 'The oldest, until this much is left: `10GB`' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand runs; and __fish_seen_subcommand_from rm" -l store -d 'The database of runs and cache [default: .flowrun/store.db]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand runs; and __fish_seen_subcommand_from rm" -l output -d 'How the result is printed: for people, or as one JSON document' -r -f -a "human\t''
json\t''"
complete -c flowrun -n "__fish_flowrun_using_subcommand runs; and __fish_seen_subcommand_from rm" -l logs -d 'Only the logs; the runs stay'
complete -c flowrun -n "__fish_flowrun_using_subcommand runs; and __fish_seen_subcommand_from rm" -l dry-run -d 'Say what would go and how much it frees; remove nothing'
complete -c flowrun -n "__fish_flowrun_using_subcommand runs; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and not __fish_seen_subcommand_from ls show verify gc accept" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and not __fish_seen_subcommand_from ls show verify gc accept" -f -a "ls" -d 'List what is cached, of each instance the newest result'
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and not __fish_seen_subcommand_from ls show verify gc accept" -f -a "show" -d 'Show a cached result: who made it, when, where and from what'
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and not __fish_seen_subcommand_from ls show verify gc accept" -f -a "verify" -d 'Read every output and every artifact, and say what is not whole'
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and not __fish_seen_subcommand_from ls show verify gc accept" -f -a "gc" -d 'Remove what is no longer needed, by age, number, size and reach'
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and not __fish_seen_subcommand_from ls show verify gc accept" -f -a "accept" -d 'Bless earlier results after a change of words only'
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from ls" -l project -d 'Results that the project in this folder made' -r -f -a "(__fish_complete_directories)"
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from ls" -l older-than -d 'Made longer ago than this: `30d`, `12h`' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from ls" -l newer-than -d 'Made within this time' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from ls" -l min-size -d 'With files of this size at least: `1GiB`' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from ls" -l store -d 'The database of runs and cache [default: .flowrun/store.db]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from ls" -l output -d 'How the result is printed: for people, or as one JSON document' -r -f -a "human\t''
json\t''"
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from ls" -l older -d 'Older results of each instance, too'
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from ls" -l all -d 'Results of every project of the store'
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from show" -l store -d 'The database of runs and cache [default: .flowrun/store.db]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from show" -l artifacts -d 'The folder of artifacts [default: .flowrun/artifacts]' -r -f -a "(__fish_complete_directories)"
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from show" -l output -d 'How the result is printed: for people, or as one JSON document' -r -f -a "human\t''
json\t''"
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from verify" -l store -d 'The database of runs and cache [default: .flowrun/store.db]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from verify" -l artifacts -d 'The folder of artifacts [default: .flowrun/artifacts]' -r -f -a "(__fish_complete_directories)"
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from verify" -l output -d 'How the result is printed: for people, or as one JSON document' -r -f -a "human\t''
json\t''"
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from gc" -l older-than -d 'What is older than this: `30d`, `12h`' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from gc" -l keep-last -d 'Keep the N newest' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from gc" -l max-size -d 'The oldest, until this much is left: `10GB`' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from gc" -l forget-idle -d 'Keep nothing for other users of the artifact folder that have been away for so long' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from gc" -l store -d 'The database of runs and cache [default: .flowrun/store.db]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from gc" -l artifacts -d 'The folder of artifacts [default: .flowrun/artifacts]' -r -f -a "(__fish_complete_directories)"
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from gc" -l output -d 'How the result is printed: for people, or as one JSON document' -r -f -a "human\t''
json\t''"
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from gc" -l unreachable -d 'Results of instances that no kept run has'
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from gc" -l dry-run -d 'Say what would go and how much it frees; remove nothing'
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from gc" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from accept" -s p -l param -d 'Give a param its value; may be given many times' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from accept" -l params -d 'Read values of params from a TOML or JSON file' -r -F
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from accept" -s j -l jobs -d 'Cores for tasks [default: those that flowrun may use]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from accept" -l backend -d 'What executes the tasks [default: local]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from accept" -l store -d 'The database of runs and cache [default: .flowrun/store.db]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from accept" -l artifacts -d 'Keep artifacts by their content in this folder, to restore them' -r -f -a "(__fish_complete_directories)"
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from accept" -l profile -d 'Take settings from this profile of `flowrun.toml`' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from accept" -l output -d 'How the result is printed: for people, or as one JSON document' -r -f -a "human\t''
json\t''"
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from accept" -l values -d 'Also where values or input files are not what they were'
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from accept" -l dry-run -d 'Say what would be accepted; record nothing'
complete -c flowrun -n "__fish_flowrun_using_subcommand cache; and __fish_seen_subcommand_from accept" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand log" -l run -d 'Of this run [default: the newest]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand log" -l attempt -d 'Of this attempt [default: the last]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand log" -l stdout -d 'Standard output only'
complete -c flowrun -n "__fish_flowrun_using_subcommand log" -l stderr -d 'Standard error only'
complete -c flowrun -n "__fish_flowrun_using_subcommand log" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand test" -s j -l jobs -d 'How many tests run at once [default: as many as there are cores]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand test" -l capture -d 'Run nothing, but make a test of an instance of an earlier run: its table is put at the end of the pipeline file' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand test" -l junit -d 'Write the results as JUnit\'s XML to this file' -r -F
complete -c flowrun -n "__fish_flowrun_using_subcommand test" -l profile -d 'Take settings from this profile of `flowrun.toml`' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand test" -l output -d 'How the result is printed: for people, or as one JSON document' -r -f -a "human\t''
json\t''"
complete -c flowrun -n "__fish_flowrun_using_subcommand test" -l keep -d 'Keep the folders of tests that failed, and say where they are'
complete -c flowrun -n "__fish_flowrun_using_subcommand test" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand config" -s j -l jobs -d 'Cores for tasks [default: those that flowrun may use]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand config" -l backend -d 'What executes the tasks [default: local]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand config" -l store -d 'The database of runs and cache [default: .flowrun/store.db]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand config" -l artifacts -d 'Keep artifacts by their content in this folder, to restore them' -r -f -a "(__fish_complete_directories)"
complete -c flowrun -n "__fish_flowrun_using_subcommand config" -l profile -d 'Take settings from this profile of `flowrun.toml`' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand config" -l output -d 'How the result is printed: for people, or as one JSON document' -r -f -a "human\t''
json\t''"
complete -c flowrun -n "__fish_flowrun_using_subcommand config" -l no-cache -d 'Use no cached result; new ones are still kept'
complete -c flowrun -n "__fish_flowrun_using_subcommand config" -l keep-going -d 'After a failure go on with everything that does not need it'
complete -c flowrun -n "__fish_flowrun_using_subcommand config" -l wait -d 'Wait while another run holds this pipeline'
complete -c flowrun -n "__fish_flowrun_using_subcommand config" -l origin -d 'Say of each setting where it comes from'
complete -c flowrun -n "__fish_flowrun_using_subcommand config" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand doctor" -s j -l jobs -d 'Cores for tasks [default: those that flowrun may use]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand doctor" -l backend -d 'What executes the tasks [default: local]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand doctor" -l store -d 'The database of runs and cache [default: .flowrun/store.db]' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand doctor" -l artifacts -d 'Keep artifacts by their content in this folder, to restore them' -r -f -a "(__fish_complete_directories)"
complete -c flowrun -n "__fish_flowrun_using_subcommand doctor" -l profile -d 'Take settings from this profile of `flowrun.toml`' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand doctor" -l patience -d 'How long that job may take from its submission to its end' -r
complete -c flowrun -n "__fish_flowrun_using_subcommand doctor" -l output -d 'How the result is printed: for people, or as one JSON document' -r -f -a "human\t''
json\t''"
complete -c flowrun -n "__fish_flowrun_using_subcommand doctor" -l try -d 'On a cluster also submit a job of a second that looks from a node'
complete -c flowrun -n "__fish_flowrun_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand template; and not __fish_seen_subcommand_from list new" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand template; and not __fish_seen_subcommand_from list new" -f -a "list" -d 'List the templates'
complete -c flowrun -n "__fish_flowrun_using_subcommand template; and not __fish_seen_subcommand_from list new" -f -a "new" -d 'Copy a template into a folder; never overwrites a file'
complete -c flowrun -n "__fish_flowrun_using_subcommand template; and __fish_seen_subcommand_from list" -l output -d 'How the result is printed: for people, or as one JSON document' -r -f -a "human\t''
json\t''"
complete -c flowrun -n "__fish_flowrun_using_subcommand template; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand template; and __fish_seen_subcommand_from new" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand schema" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand completions" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand __man" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand __executor" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand __drive" -s h -l help -d 'Print help'
complete -c flowrun -n "__fish_flowrun_using_subcommand __agent" -s h -l help -d 'Print help'
