// table_text: rows as aligned columns.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace varve {

enum class Align : uint8_t { kLeft, kRight };

struct Column {
  std::string title;
  Align align = Align::kLeft;
};

// Two spaces between columns, none at the end of a line. Every row has a cell for each column.
std::string table_text(const std::vector<Column>& columns,
                       const std::vector<std::vector<std::string>>& rows);

}  // namespace varve
