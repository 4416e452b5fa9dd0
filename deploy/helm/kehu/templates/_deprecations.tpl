{{/* Refuses keys that the chart does not have, each with what to do instead. */}}
{{- define "kehu.refuse" -}}
{{- range $path, $advice := .Files.Get "files/refused.yaml" | fromYaml -}}
  {{- $found := $.Values -}}
  {{- range $name := splitList "." $path -}}
    {{- if kindIs "map" $found -}}{{- $found = get $found $name -}}{{- else -}}{{- $found = "" -}}{{- end -}}
  {{- end -}}
  {{- if not (has (toString $found) (list "" "<nil>")) -}}
    {{- fail (printf "%s: %s" $path $advice) -}}
  {{- end -}}
{{- end -}}
{{- end -}}
