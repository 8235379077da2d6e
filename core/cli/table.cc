#include "core/cli/table.h"

#include <algorithm>

#include "core/base/check.h"

namespace varve {

std::string table_text(const std::vector<Column>& columns,
                       const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns.size(); ++i) {
    widths.push_back(columns[i].title.size());
    for (const auto& row : rows) {
      VARVE_CHECK(row.size() == columns.size());
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string out;
  const auto add_cell = [&](size_t i, const std::string& cell) {
    const std::string gap(widths[i] - cell.size(), ' ');
    const bool last = i + 1 == columns.size();
    out += columns[i].align == Align::kRight ? gap + cell : cell + (last ? "" : gap);
    out += last ? "\n" : "  ";
  };
  for (size_t i = 0; i < columns.size(); ++i) add_cell(i, columns[i].title);
  for (const auto& row : rows) {
    for (size_t i = 0; i < columns.size(); ++i) add_cell(i, row[i]);
  }
  return out;
}

}  // namespace varve
