"""`ganworks completion SHELL`: the script for a shell, which asks `ganworks __complete` for candidates."""

from __future__ import annotations

from collections.abc import Sequence

from ganworks.core.console.voice import say
from ganworks.core.errors import UsageError, nearest

# bash cuts words at "=" and ":"; it gets the rest of a candidate behind the last of them.
_BASH = r"""_ganworks() {
  local line=${COMP_LINE:0:COMP_POINT} IFS=$'\n' word done=""
  word=${line##*[[:space:]]}
  [[ $word == *=* && $COMP_WORDBREAKS == *=* ]] && done=${word%=*}=
  [[ ${word#"$done"} == *:* && $COMP_WORDBREAKS == *:* ]] && done=${word%:*}:
  COMPREPLY=($("$1" __complete --line "$line" 2>/dev/null))
  COMPREPLY=("${COMPREPLY[@]#"$done"}")
  [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/.] ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -o nosort -F _ganworks ganworks 2>/dev/null || complete -F _ganworks ganworks
"""

_ZSH = r"""#compdef ganworks
_ganworks() {
  local -a whole open
  local found
  for found in ${(f)"$("${words[1]}" __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)"}; do
    if [[ $found == *[=/.] ]]; then open+=("$found"); else whole+=("$found"); fi
  done
  (( ${#whole} )) && compadd -- "${whole[@]}"
  (( ${#open} )) && compadd -S '' -- "${open[@]}"
}
if [[ ${funcstack[1]} == _ganworks ]]; then _ganworks "$@"; else compdef _ganworks ganworks; fi
"""

_FISH = r"""function __ganworks_complete
  set -l typed (commandline -opc) (commandline -ct)
  $typed[1] __complete $typed[2..-1] 2>/dev/null
end
complete -c ganworks -f -a '(__ganworks_complete)'
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def print_script(words: Sequence[str]) -> None:
    """Print the script of the shell that is named; UsageError for another word."""
    if len(words) != 1:
        raise UsageError(f"`ganworks completion` needs a shell: {', '.join(SCRIPTS)}.")
    if words[0] not in SCRIPTS:
        raise UsageError(f'There is no completion for "{words[0]}". {nearest(words[0], SCRIPTS)}')
    say(*SCRIPTS[words[0]].splitlines())
