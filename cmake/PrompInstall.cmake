# The public face of libpromp, in the build tree and installed: four headers, pkg-config and CMake package files.

if(TARGET promp)
    set_target_properties(promp PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0)
    install(TARGETS promp EXPORT promp
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library NAMELINK_COMPONENT dev
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
    set(public_headers manager/promp.h lib/base/promp_error.h lib/proto/promp_value.h
        lib/container/promp_container.h)
    install(FILES ${public_headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT dev)
    # Users in the build tree (examples, tests) see exactly what users of the installed library see.
    foreach(header ${public_headers})
        get_filename_component(name ${header} NAME)
        configure_file(${header} include/${name} COPYONLY)
    endforeach()
    target_include_directories(promp INTERFACE $<BUILD_INTERFACE:${CMAKE_BINARY_DIR}/include>)

    # libpromp needs nothing of its users, so the exported target is the whole package.
    include(CMakePackageConfigHelpers)
    set(package ${CMAKE_INSTALL_LIBDIR}/cmake/promp)
    write_basic_package_version_file(${CMAKE_BINARY_DIR}/prompConfigVersion.cmake COMPATIBILITY SameMinorVersion)
    install(EXPORT promp FILE prompConfig.cmake NAMESPACE promp:: DESTINATION ${package} COMPONENT dev)
    install(FILES ${CMAKE_BINARY_DIR}/prompConfigVersion.cmake DESTINATION ${package} COMPONENT dev)

    # The way from promp.pc to the prefix, so that the installed tree can be put anywhere.
    file(RELATIVE_PATH PROMP_PC_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
    configure_file(cmake/promp.pc.in promp.pc @ONLY)
    install(FILES ${CMAKE_BINARY_DIR}/promp.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT dev)
endif()
