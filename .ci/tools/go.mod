module github.com/tidewire/tidewire/.ci/tools

go 1.26.0
