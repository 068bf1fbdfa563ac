--- suptree completion SHELL: a script that completes verbs, options, and the names of what runs.
local common = require "suptree.cli.common"
local option_help = require "suptree.option_help"
local verbs = require "suptree.cli.verbs"

local SHELLS = { "bash", "zsh", "fish" }

-- What a verb's plain words are, by the name of its argument.
local KINDS = {
    services = "services", service = "services", file = "files", topic = "topics", replicas = "replicas",
}

-- A parser that knows all verbs, and the names of the verbs by what their plain words are.
local function whole_parser(argparse)
    local parser = argparse("suptree", "Keeps programs running."):add_help(false)
    local by_kind = { services = {}, files = {}, topics = {}, replicas = {} }
    for _, listed in ipairs(verbs) do
        if not listed.internal then
            local verb = require("suptree.cli." .. listed.name)
            local command = parser:command(listed.name, listed.summary):add_help(false)
            command:flag("-h --help", "Show help.")
            if verb.describe then verb.describe(command) end
            for _, argument in ipairs(command._arguments) do
                local kind = KINDS[argument._name]
                if kind then table.insert(by_kind[kind], listed.name) end
            end
        end
    end
    return parser, by_kind
end

-- --- live names, on top of what argparse writes --------------------------------------------------------------------

local generate = {}

-- argparse's function sets cmd and COMPREPLY; ours calls it and adds what only a running host knows.
local BASH = [=[

_suptree_live() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} verb= tree=() i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            -n|--name) tree=(--name "${COMP_WORDS[i+1]}"); ((i++)) ;;
            -*) ;;
            *) [[ -n $verb ]] || verb=${COMP_WORDS[i]} ;;
        esac
    done
    COMPREPLY=()
    if [[ $before == --name || $before == -n && $verb != logs && $verb != events ]]; then
        [[ $verb == run ]] || COMPREPLY=($(compgen -W "$(suptree names trees 2>/dev/null)" -- "$word"))
        return
    fi
    if [[ $word != -* && $before != --* ]]; then
        case $verb in
            @SERVICES@)
                # Readline takes @ for the end of a word, names may hold one: complete all, give what is behind it.
                word=${COMP_LINE:0:COMP_POINT} word=${word##* }
                COMPREPLY=($(compgen -W "$(suptree names "${tree[@]}" 2>/dev/null)" -- "$word"))
                [[ $word != *@* ]] || COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*@}"}"}")
                return ;;
            @REPLICAS@)
                [[ $before != = ]] || return
                COMPREPLY=($(compgen -W "$(suptree names replicas "${tree[@]}" 2>/dev/null)" -- "$word"))
                compopt -o nospace 2>/dev/null
                return ;;
            help)
                COMPREPLY=($(compgen -W "@TOPICS@" -- "$word"))
                return ;;
        esac
    fi
    _suptree
}

complete -F _suptree_live -o bashdefault -o default suptree
]=]

local function fill(template, values)
    return (template:gsub("@(%u+)@", values))
end

-- What help knows.
local function topics()
    local names = { "options", "supervisor", "process", "thread", "oneshot", "timer" }
    for _, verb in ipairs(verbs) do if not verb.internal then names[#names + 1] = verb.name end end
    for _, row in ipairs(option_help.rows()) do names[#names + 1] = row.name end
    return table.concat(names, " ")
end

function generate.bash(parser, by_kind)
    return parser:get_bash_complete():gsub("\ncomplete %-F[^\n]*", "") .. fill(BASH, {
        SERVICES = table.concat(by_kind.services, "|"), REPLICAS = table.concat(by_kind.replicas, "|"),
        TOPICS = topics(),
    })
end

local ZSH = [=[

_suptree_services() {
  local -a names tree
  local at=${words[(I)-n]}
  (( at )) || at=${words[(I)--name]}
  (( at )) && tree=(--name "${words[at+1]}")
  names=(${(f)"$(suptree names $tree 2>/dev/null)"})
  compadd -a names
}

_suptree_replicas() {
  local -a names
  names=(${(f)"$(suptree names replicas 2>/dev/null)"})
  compadd -S '' -a names
}
]=]

-- In zsh an argument is completed by the function that its line names.
function generate.zsh(parser, by_kind)
    local script, services = parser:get_zsh_complete(), {}
    for _, name in ipairs(by_kind.services) do services[name] = ":_suptree_services" end
    for _, name in ipairs(by_kind.replicas) do services[name] = ":_suptree_replicas" end
    local verb
    local lines = {}
    for line in (script .. "\n"):gmatch "([^\n]*)\n" do
        verb = line:match "^%s*([%a-]+)%)$" or verb
        if services[verb] and line:find '^%s*"%*?: :_files" \\$' then
            line = line:gsub(": :_files", ": " .. services[verb])
            services[verb] = nil -- only the first ones: behind them is a command
        end
        lines[#lines + 1] = line
    end
    script = table.concat(lines, "\n")
    return (script:gsub("\n_suptree%s*$", function(call) return ZSH .. call end))
end

local FISH = [=[
complete -c suptree -n '__fish_seen_subcommand_from @SERVICES@' -f -a '(suptree names 2>/dev/null)'
complete -c suptree -n '__fish_seen_subcommand_from @REPLICAS@' -f -a '(suptree names replicas 2>/dev/null)'
complete -c suptree -n '__fish_seen_subcommand_from help' -f -a '@TOPICS@'
complete -c suptree -n 'not __fish_seen_subcommand_from events logs run' -s n -l name -x \
    -a '(suptree names trees 2>/dev/null)'
]=]

function generate.fish(parser, by_kind)
    return parser:get_fish_complete() .. "\n" .. fill(FISH, {
        SERVICES = table.concat(by_kind.services, " "), REPLICAS = table.concat(by_kind.replicas, " "),
        TOPICS = topics(),
    })
end

return {
    name = "completion",
    description = "Prints a script for your shell that completes verbs, options, and the names of what runs.",
    epilog = "bash: put  source <(suptree completion bash)  into ~/.bashrc. zsh: suptree completion zsh > a file "
        .. "_suptree in a folder of $fpath. fish: suptree completion fish > ~/.config/fish/completions/suptree.fish",
    describe = function(parser)
        parser:argument("shell", "bash, zsh or fish"):choices(SHELLS):argname "SHELL"
    end,
    run = function(arguments)
        local argparse = require "argparse"
        io.stdout:write(generate[arguments.shell](whole_parser(argparse)), "\n")
        return common.DONE
    end,
}
