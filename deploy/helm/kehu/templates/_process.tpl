{{/*
(base, patch, keep): merges a patch into a map, in place. Maps are merged key by key, lists of named things by name, and
everything else is replaced, also by false, 0 and nothing. Null removes; with `keep`, and in `podOverrides`, which is
itself a patch, it stays to do so later.
*/}}
{{- define "kehu.overlay" -}}
{{- $base := index . 0 -}}
{{- $keep := and (gt (len .) 2) (last .) -}}
{{- range $key, $value := index . 1 -}}
  {{- $old := get $base $key -}}
  {{- if and (kindIs "invalid" $value) (not $keep) -}}
    {{- $_ := unset $base $key -}}
  {{- else if and (kindIs "map" $value) (kindIs "map" $old) -}}
    {{- include "kehu.overlay" (list $old $value (or $keep (eq $key "podOverrides"))) -}}
  {{- else if and (eq (include "kehu.named" $value) "yes") (eq (include "kehu.named" $old) "yes") -}}
    {{- $merged := list -}}
    {{- $taken := list -}}
    {{- range $each := $old -}}
      {{- range $other := $value -}}
        {{- if eq $other.name $each.name -}}
          {{- include "kehu.overlay" (list $each $other $keep) -}}
          {{- $taken = append $taken $other.name -}}
        {{- end -}}
      {{- end -}}
      {{- $merged = append $merged $each -}}
    {{- end -}}
    {{- range $other := $value -}}
      {{- if not (has $other.name $taken) -}}{{- $merged = append $merged $other -}}{{- end -}}
    {{- end -}}
    {{- $_ := set $base $key $merged -}}
  {{- else -}}
    {{- $_ := set $base $key $value -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* "yes" for a list of maps that all have a name. */}}
{{- define "kehu.named" -}}
{{- if and (kindIs "slice" .) . -}}
  {{- $named := "yes" -}}
  {{- range . -}}
    {{- if not (and (kindIs "map" .) (dig "name" "" .)) -}}{{- $named = "no" -}}{{- end -}}
  {{- end -}}
  {{- $named -}}
{{- end -}}
{{- end -}}

{{/* The names of the services that run in this release, as JSON. */}}
{{- define "kehu.services" -}}
{{- $names := list -}}
{{- range $name, $declared := .Values.services -}}
  {{- if dig "enabled" true $declared -}}{{- $names = append $names $name -}}{{- end -}}
{{- end -}}
{{- $names | toJson -}}
{{- end -}}

{{/* (root, service): the services whose `calls` name this one, as JSON. */}}
{{- define "kehu.callers" -}}
{{- $service := index . 1 -}}
{{- $callers := list -}}
{{- range $name, $declared := (index . 0).Values.services -}}
  {{- if and (dig "enabled" true $declared) (has $service (dig "calls" list $declared)) -}}
    {{- $callers = append $callers $name -}}
  {{- end -}}
{{- end -}}
{{- $callers | toJson -}}
{{- end -}}

{{/* (root, service, role): one process with all that is set for it, as JSON. */}}
{{- define "kehu.process" -}}
{{- $root := index . 0 -}}
{{- $service := index . 1 -}}
{{- $role := index . 2 -}}
{{- $defaults := $root.Values.defaults -}}
{{- $declared := get $root.Values.services $service -}}
{{- $process := dict "image" (deepCopy $root.Values.image) -}}
{{- range $layer := list (omit $defaults "api" "worker" "web") (dig $role dict $defaults) (omit $declared "api" "worker" "web") (dig $role dict $declared) -}}
  {{- include "kehu.overlay" (list $process (deepCopy $layer)) -}}
{{- end -}}
{{- $component := printf "%s-%s" $service $role -}}
{{- $name := printf "%s-%s" (include "kehu.fullname" $root) $component -}}
{{- range $key, $value := dict "service" $service "role" $role "component" $component "name" $name -}}
  {{- $_ := set $process $key $value -}}
{{- end -}}
{{- $process | toJson -}}
{{- end -}}

{{/* (service as declared): the roles of its long-lived processes, as JSON. */}}
{{- define "kehu.roles" -}}
{{- ternary (list "api" "worker" "web") (list "api" "worker") (dig "pages" false .) | toJson -}}
{{- end -}}

{{/* Every long-lived process of the release, as JSON. */}}
{{- define "kehu.processes" -}}
{{- $processes := list -}}
{{- range $service := include "kehu.services" . | fromJsonArray -}}
  {{- range $role := include "kehu.roles" (get $.Values.services $service) | fromJsonArray -}}
    {{- $processes = append $processes (include "kehu.process" (list $ $service $role) | fromJson) -}}
  {{- end -}}
{{- end -}}
{{- $processes | toJson -}}
{{- end -}}
