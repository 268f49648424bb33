// Package alertmanagertest runs a real Alertmanager for tests.
package alertmanagertest
