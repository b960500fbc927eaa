// Sizes of tensors as the op table writes them: `2 * heads * headDim + 1`, `rotaryDim / 2`. A name has one size in a command.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tensor.h"

namespace fettle {

// A sum of products of numbers and names.
class Size {
 public:
  struct Term {
    int64_t factor = 1, divisor = 1;
    std::vector<std::string_view> names;
  };

  explicit Size(std::string_view text) {
    terms_.emplace_back();
    for (char before = '*'; !text.empty();) {
      const size_t end = text.find(' ');
      const std::string_view word = text.substr(0, end);
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
      if (word == "+") terms_.emplace_back();
      if (word == "+" || word == "*" || word == "/") {
        before = word[0];
        continue;
      }
      if (word[0] < '0' || word[0] > '9') terms_.back().names.push_back(word);
      else (before == '/' ? terms_.back().divisor : terms_.back().factor) *= std::stoll(std::string(word));
    }
  }
  const std::vector<Term>& terms() const { return terms_; }

 private:
  std::vector<Term> terms_;
};

// The sizes that names have, as far as they are known.
class Sizes {
 public:
  // Where a size was found: a dimension that may be smaller when a program runs.
  struct Place {
    const Tensor* tensor = nullptr;
    int dimension = 0;
  };

  void set(std::string_view name, int64_t size, Place place) { known_.push_back({name, size, place}); }
  const int64_t* find(std::string_view name) const {
    const Known* known = lookUp(name);
    return known ? &known->size : nullptr;
  }
  Place placeOf(std::string_view name) const {
    const Known* known = lookUp(name);
    return known ? known->place : Place{};
  }

  // Whether the size is `size`. A name that is not known yet becomes known by it; there must be no more than one.
  bool fits(const Size& size, int64_t found, Place place) {
    int64_t sum = 0;
    const Size::Term* open = nullptr;
    for (const Size::Term& term : size.terms()) {
      int64_t product = term.factor;
      for (const auto name : term.names) {
        const int64_t* known = find(name);
        if (known) product *= *known;
        else open = &term;
      }
      if (open != &term) sum += product / term.divisor;
    }
    if (!open) return sum == found;
    const int64_t rest = found - sum;
    if (open->names.size() != 1 || open->divisor != 1 || rest < 0 || rest % open->factor != 0) return false;
    set(open->names[0], rest / open->factor, open->factor == 1 && size.terms().size() == 1 ? place : Place{});
    return true;
  }

  // `N = 3, K = 5` of what is known.
  std::string text() const {
    std::string text;
    for (const Known& known : known_) text += (text.empty() ? "" : ", ") + std::string(known.name) + " = " + std::to_string(known.size);
    return text;
  }

 private:
  struct Known {
    std::string_view name;
    int64_t size;
    Place place;
  };
  const Known* lookUp(std::string_view name) const {
    for (const Known& known : known_)
      if (known.name == name) return &known;
    return nullptr;
  }
  std::vector<Known> known_;
};

}  // namespace fettle
