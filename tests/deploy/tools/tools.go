//go:build tools

// Package tools pins the programs that the suite builds: helm, of which go.sum knows every part.
package tools

import _ "helm.sh/helm/v3/cmd/helm"
