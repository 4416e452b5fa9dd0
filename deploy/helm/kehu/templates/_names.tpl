{{- define "kehu.fullname" -}}
{{- $release := .Release.Name -}}
{{- .Values.fullnameOverride | default (contains "kehu" $release | ternary $release (printf "%s-kehu" $release)) -}}
{{- end -}}

{{/* (root, image): the reference of an image; a digest wins over a tag. */}}
{{- define "kehu.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- $repository := list $image.registry $image.repository | compact | join "/" -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository ($image.tag | default $root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* (root, service): how others reach the API of a service. */}}
{{- define "kehu.target" -}}
{{- $root := index . 0 -}}
{{- $service := index . 1 -}}
{{- $elsewhere := dig "target" "" (get $root.Values.services $service) -}}
{{- $elsewhere | default (printf "dns:///%s-%s:50051" (include "kehu.fullname" $root) $service) -}}
{{- end -}}
