// What Ollama's own parser and templates make of exports: a JSON object a line, and one back for each.
//
//	{"modelfile": text, "chatTemplate": text, "conversations": [[{"role", "content"}]]} -> {"named": name or null, "stops": [text], "texts": [text]}
//
// `named` is the template that Ollama would take in the place of the file's own, by its distance.
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/parser"
	"github.com/ollama/ollama/template"
)

type question struct {
	Modelfile     string
	ChatTemplate  string
	Conversations [][]api.Message
}

type answer struct {
	Named *string  `json:"named"`
	Stops []string `json:"stops"`
	Texts []string `json:"texts"`
	Error string   `json:"error,omitempty"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<26)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		given := answer{Stops: []string{}, Texts: []string{}}
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			given.Error = err.Error()
		} else if err := look(asked, &given); err != nil {
			given.Error = err.Error()
		}
		_ = out.Encode(given)
	}
}

func look(asked question, given *answer) error {
	if named, err := template.Named(asked.ChatTemplate); err == nil {
		given.Named = &named.Name
	}
	if asked.Modelfile == "" {
		return nil
	}
	file, err := parser.ParseFile(strings.NewReader(asked.Modelfile))
	if err != nil {
		return err
	}
	for _, command := range file.Commands {
		switch command.Name {
		case "stop":
			given.Stops = append(given.Stops, command.Args)
		case "template":
			parsed, err := template.Parse(command.Args)
			if err != nil {
				return err
			}
			for _, messages := range asked.Conversations {
				var text strings.Builder
				if err := parsed.Execute(&text, template.Values{Messages: messages}); err != nil {
					return err
				}
				given.Texts = append(given.Texts, text.String())
			}
		}
	}
	return nil
}
