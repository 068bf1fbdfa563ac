# cmake --install: programs, the Lua module, the C library with its header, and how others find it.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(SUP_LUA_MODULE_DIR ${CMAKE_INSTALL_LIBDIR}/lua/5.4 CACHE STRING "Where Lua looks for C modules, below the prefix")

foreach(program suptree suptree-keeper suptree-log)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endforeach()

if(TARGET suptree-module)
  install(TARGETS suptree-module LIBRARY DESTINATION ${SUP_LUA_MODULE_DIR})
endif()

if(TARGET suptree-static)
  install(TARGETS suptree-static suptree-shared
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(FILES ${PROJECT_SOURCE_DIR}/src/suptree.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  configure_file(${PROJECT_SOURCE_DIR}/cmake/suptree.pc.in ${PROJECT_BINARY_DIR}/suptree.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/suptree.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  set(package ${CMAKE_INSTALL_LIBDIR}/cmake/suptree)
  configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/suptree-config.cmake.in
    ${PROJECT_BINARY_DIR}/suptree-config.cmake INSTALL_DESTINATION ${package}
    PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/suptree-config-version.cmake
    VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/suptree-config.cmake ${PROJECT_BINARY_DIR}/suptree-config-version.cmake
    DESTINATION ${package})
endif()
