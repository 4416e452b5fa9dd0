{{/* (root, component): what a workload selects its pods by; never changes. */}}
{{- define "kehu.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: kehu
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* (root, process): the labels of a pod. Nothing in them changes with the chart alone, which must not restart it. */}}
{{- define "kehu.podLabels" -}}
{{- $root := index . 0 -}}
{{- $process := index . 1 -}}
{{- $version := $process.image.tag | default $root.Chart.AppVersion -}}
{{ include "kehu.selector" (list $root $process.component) }}
app.kubernetes.io/version: {{ $version | trunc 63 | trimAll "_.-" | quote }}
app.kubernetes.io/part-of: kehu
kehu/service: {{ $process.service }}
kehu/role: {{ $process.role }}
{{- end -}}

{{/* (root, component): the labels of an object other than a pod. */}}
{{- define "kehu.labels" -}}
{{- $root := index . 0 -}}
{{ include "kehu.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: kehu
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 }}
{{- end -}}

{{/* (root, process): the labels of an object that belongs to a process. */}}
{{- define "kehu.processLabels" -}}
{{- $process := index . 1 -}}
{{ include "kehu.labels" (list (index . 0) $process.component) }}
kehu/service: {{ $process.service }}
kehu/role: {{ $process.role }}
{{- end -}}
